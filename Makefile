# `make setup` builds .venv; `make demo` runs everything on this machine; `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= .demo
# The long ones first, so that two at a time end together.
BESIDE := unit lifecycle worker ui postgres contract ui-actions integration ui-looks flows ui-logs fuzz repo
# What fills the machine by itself runs alone, after the others.
ALONE := edge chaos
TIERS := $(BESIDE) $(ALONE)
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -q

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do \
	  printf '  make %-17s %s\n' "$$name" "$$what"; done
	@printf '  make test-<tier>       one tier of: $(TIERS)\n'

.PHONY: setup
setup: .venv/ready  ## build .venv from the pinned requirements

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "prefect-jobs needs Python 3.11 or newer: name one with PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch .venv/ready

.PHONY: demo
demo: setup  ## start Prefect, worker, API and page with sample data, in the folder DATA (.demo)
	@$(BIN)/prefect-jobs up --demo --data-dir $(DATA)

.PHONY: check
check: setup  ## lint, format, types, import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/oxlint --config ui/.oxlintrc.json ui/prefect_jobs_ui/js
	$(BIN)/pyright
	$(BIN)/lint-imports

.PHONY: test
test: setup  ## run `check` and every tier of the tests, JOBS (2) at a time; each is told when it is over
	@$(MAKE) --no-print-directory --jobs=$(JOBS) --output-sync=target check $(BESIDE:%=test-%)
	@$(MAKE) --no-print-directory $(ALONE:%=test-%)

.PHONY: $(TIERS:%=test-%)
$(TIERS:%=test-%): test-%: setup
	@echo "== tests/$*"
	@$(PYTEST) $(or $(PATHS),tests/$*)

# Whatever touches a database runs again, on a real server; what the client makes of an answer does not depend on it.
test-postgres: PATHS := --database=postgres tests/postgres tests/unit tests/contract --ignore=tests/contract/test_client.py

# The tests of the page in four tiers, so that none takes more than minutes: logs, what a user does, how each state
# looks, everything else.
UI_LOGS := $(wildcard tests/ui/test_log*.py tests/ui/test_page_log*.py)
UI_ACTIONS := $(patsubst %,tests/ui/test_page_%.py,actions bulk start statistics history keys accessibility_of_windows)
UI_LOOKS := tests/ui/test_page_gallery.py tests/ui/test_page_rows.py
test-ui: PATHS := tests/ui $(patsubst %,--ignore=%,$(UI_LOGS) $(UI_ACTIONS) $(UI_LOOKS))
test-ui-actions: PATHS := $(UI_ACTIONS)
test-ui-logs: PATHS := $(UI_LOGS)
test-ui-looks: PATHS := $(UI_LOOKS)

test-integration test-ui test-ui-actions test-ui-logs test-ui-looks: chromium

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	  echo "The tests of the page need Chromium on the PATH: apt-get install chromium" >&2; exit 2; }

.PHONY: screenshots
screenshots: setup chromium  ## take the pictures of the page anew, into docs/screenshots
	$(BIN)/python -W ignore -m tests.ui.gallery docs/screenshots

.PHONY: gallery
gallery: setup chromium  ## draw the page in each of its states, into GALLERY (.gallery) and docs/screenshots/states
	GALLERY=$(or $(GALLERY),.gallery) $(PYTEST) tests/ui/test_page_gallery.py
	$(BIN)/python -m tests.ui.contact_sheets $(or $(GALLERY),.gallery) docs/screenshots/states

.PHONY: bench
bench: setup  ## measure, and write the tables of docs/benchmarks.md
	$(BIN)/python -m benchmarks

.PHONY: lock
lock:  ## write requirements.txt anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --universal --python-version 3.11 \
	  --no-emit-index-url --no-annotate --no-header --no-strip-extras --upgrade --output-file requirements.txt
