from clerk_emulator.server import main

if __name__ == "__main__":
    main(prog_name="python -m clerk_emulator")
