# `make setup` builds .venv; `make demo` runs everything on this machine; `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup
setup: .venv/ready  ## build .venv from the pinned requirements

.venv/ready: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch .venv/ready
