import { useRef, useState } from "react";

type Props = { label: string; value: string };

/** A text to take away. Where the browser does not let us copy, it is selected for the keyboard. */
export function CopyField({ label, value }: Props) {
  const [said, setSaid] = useState("");
  const input = useRef<HTMLInputElement>(null);

  async function copy() {
    input.current?.select();
    try {
      await navigator.clipboard.writeText(value);
      setSaid("Copied.");
    } catch {
      setSaid("Selected: copy it with Ctrl+C or ⌘C.");
    }
  }

  return (
    <div className="copy-field">
      <input ref={input} aria-label={label} readOnly value={value} onFocus={(event) => event.target.select()} />
      <button type="button" className="primary" onClick={copy}>
        Copy
      </button>
      <p className="fine" role="status">
        {said}
      </p>
    </div>
  );
}
