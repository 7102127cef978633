# What a newcomer needs: up, test, lint, bench. Each makes .venv by itself.
# PYTHON=/path/to/python3.12 chooses another interpreter.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
JOBS ?= auto

# uv must use the interpreter chosen above, never fetch one of its own.
export UV_PYTHON_DOWNLOADS = never
export VIRTUAL_ENV = $(CURDIR)/$(VENV)

.PHONY: help up test test-nix test-heroku test-postgres lint bench lock

help:
	@echo "make up     run paas here, in the foreground (Ctrl-C stops it)"
	@echo "make test   lint, then every test, with real processes"
	@echo "make test-nix    acceptance, faults and bad input again, with instances that build by Nix"
	@echo "make test-heroku  Heroku's own CLI against a running instance (needs node and npm)"
	@echo "make lint   ruff, mypy --strict, import contracts"
	@echo "make bench  measure deploys, throughput and memory on this machine"

up: $(STAMPS)/runtime
	@exec $(BIN)/python -m paas.launcher

test: lint
	$(BIN)/pytest -n $(JOBS) --dist loadgroup -m "not e2e"
	$(BIN)/pytest -n 3 --dist loadfile -m "e2e and not heroku"

# `make test` has what Nix does in its own way; this is all of it, in a quarter of an hour.
test-nix: $(STAMPS)/dev
	$(BIN)/pytest -n 2 --dist loadfile --builder nix $(addprefix tests/e2e/test_,acceptance.py \
	  faults.py faults_of_parts.py faults_of_nix.py many.py bad_input.py bad_input_of_nix.py using.py)

test-heroku: $(STAMPS)/dev $(STAMPS)/heroku
	$(BIN)/pytest -n 2 --dist loadfile tests/heroku

# Every test that opens the database, and what an instance is used for and broken by, again on
# PostgreSQL, which keeps no two writers apart by itself.
ON_POSTGRES := acceptance database_lost faults instance many using
test-postgres: $(STAMPS)/dev
	$(BIN)/python -m tests.postgres --builder host -n $(JOBS) --dist loadgroup -m "not e2e" tests
	$(BIN)/python -m tests.postgres --builder host -n 2 --dist loadfile $(ON_POSTGRES:%=tests/e2e/test_%.py)

lint: $(STAMPS)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict paas apps buildpacks
	$(BIN)/lint-imports

bench: $(STAMPS)/dev
	@exec $(BIN)/python -m tests.bench

# After a change of dependencies in pyproject.toml; what is locked already stays as it is.
lock: $(STAMPS)/uv
	@PATH="$(CURDIR)/$(BIN):$$PATH" && for group in "" "--group dev"; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate pyproject.toml $$group -o requirements$${group:+-dev}.lock || exit 1; done

# --- .venv ------------------------------------------------------------------
# requirements-dev.lock contains requirements.lock: a venv synced with it serves
# `up` too, and `up` does not take the developer's tools away again.

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "paas needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1)."; \
	  echo "Install it (Debian 12: apt install python3 python3-venv) or run: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; \
	  exit 1; }
	@$(BIN)/uv --version >/dev/null 2>&1 || { \
	  echo "Making $(VENV) with $$($(PYTHON) --version) ..."; \
	  $(PYTHON) -m venv --clear $(VENV); } || { \
	  echo "Python's venv module is missing. Debian: apt install python3-venv"; exit 1; }
	@mkdir -p $(STAMPS)
	@touch $@

# pip installs uv and nothing else, by the hashes of the lock.
$(STAMPS)/uv: requirements.lock | $(STAMPS)/venv
	@PATH="$(CURDIR)/$(BIN):$$PATH" command -v uv >/dev/null || { \
	  sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(STAMPS)/uv.txt && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(STAMPS)/uv.txt; }
	@touch $@

$(STAMPS)/runtime: requirements.lock pyproject.toml | $(STAMPS)/uv
	@$(call sync,$(if $(wildcard $(STAMPS)/dev),requirements-dev.lock,requirements.lock))
	@touch $@

$(STAMPS)/dev: requirements-dev.lock pyproject.toml | $(STAMPS)/uv
	@$(call sync,requirements-dev.lock)
	@touch $(STAMPS)/runtime $@

# npm writes to the lock where it came from unless told otherwise; its scripts are not needed.
$(STAMPS)/heroku: tests/heroku/package.json tests/heroku/package-lock.json | $(STAMPS)/venv
	@command -v npm >/dev/null || { echo "npm is missing. Debian: apt install npm"; exit 1; }
	@echo "Installing Heroku's CLI ..."
	@cd tests/heroku && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

# setuptools builds the editable install; the constraint holds it to the lock's version and hash.
define sync
PATH="$(CURDIR)/$(BIN):$$PATH" && echo "Installing $(1) ..." && \
uv pip sync --quiet --require-hashes $(1) && \
uv pip install --quiet --no-deps --build-constraints requirements.lock -e .
endef
