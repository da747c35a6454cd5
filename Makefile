# The commands of this project. `make help` lists them; each one sets up what it needs.
PORT ?= 8000
EMULATOR_PORT ?= 5555
PYTHON ?= python3
ARGS ?=
BIN = .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup run frontend test lint bench faults slow client lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## make .venv with what requirements-dev.txt names (PYTHON=python3.12 chooses the Python)
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { echo "$(PYTHON) was not found: install Python 3.11 or newer"; exit 1; }
	@"$(PYTHON)" development/setup_venv.py

run: setup ## run everything on http://localhost:8000 (PORT=… EMULATOR_PORT=… move it)
	@$(BIN)/python -m development.run --port $(PORT) --emulator-port $(EMULATOR_PORT)

frontend: setup ## build the page and fetch Clerk's scripts for it, as `make run` does (needs Node.js 20.19 or newer)
	@$(BIN)/python -m development.frontend

test: setup ## run all tests on a PostgreSQL of their own (ARGS="-k webhook" narrows it)
	$(BIN)/pytest -n auto $(ARGS)

lint: setup ## check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure the API (ARGS=… is handed on)
	$(BIN)/python -m benchmarks $(ARGS)

faults: setup ## kill, freeze and cut off what the API depends on
	$(BIN)/pytest tests/faults -m slow $(ARGS)

slow: setup ## the tests that take minutes: millions of rows, thousands of requests, long histories, a token's whole life
	$(BIN)/pytest -m slow --ignore=tests/faults $(ARGS)

client: setup ## write the TypeScript client's types anew (frontend/; needs Node.js 18 or newer)
	@$(BIN)/python -m development.generate_client

lock: setup ## write requirements*.txt anew from requirements*.in
	for name in requirements requirements-tracing requirements-dev; do \
		$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header $$name.in -o $$name.txt || exit 1; \
	done
