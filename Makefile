# `make demo` and `make test` do all set-up by themselves; they need Python 3.11 or later and nothing else.
# Everything runs against the installed wheel, never against the sources beside it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PINS := constraints/test.txt
# Also the folders, so that a deleted module is noticed.
SOURCES := $(shell find interchange ltxbridge sidecar -not -name __pycache__ -not -name '*.pyc' -not -name '* *')
# As many test processes as cores, but not more than eight: each may start a sidecar of its own.
PYTEST_ARGS ?= -n auto --maxprocesses 8 --dist worksteal
# The current folder stays off the import path, in child processes too.
export PYTHONSAFEPATH := 1

.DELETE_ON_ERROR:
.PHONY: help demo test lint lint-style lint-types lint-layers lint-contract check proto format clean

help:
	@echo "make demo    make a small project, run it, and say where the delivery is; ENGINE=NAME takes another engine"
	@echo "make test    run all tests against the installed package"
	@echo "make lint    formatting, ruff, mypy --strict, layers, contract"
	@echo "make check   lint, then test"
	@echo "make proto   generate ltxbridge/v1 from proto/"

# ENGINE=ltx-tiny runs the same project through the code of ltx-2.3, with tiny random weights.
demo: $(if $(filter ltx%,$(ENGINE)),$(VENV)/.ltx,$(VENV)/.base)
	$(BIN)/ltxbridge demo $(if $(ENGINE),--engine $(ENGINE))

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: lint-style lint-types lint-layers lint-contract

lint-style: $(VENV)/.check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

lint-types: $(VENV)/.check
	$(BIN)/mypy

lint-layers: $(VENV)/.check
	$(BIN)/lint-imports

lint-contract: $(VENV)/.check
	$(BIN)/python tools/proto.py lint
	$(BIN)/python tools/proto.py drift

check: lint test

proto: $(VENV)/.check
	$(BIN)/python tools/proto.py generate

format: $(VENV)/.check
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist demo

# Set-up, one stamp per step; `--no-build-isolation`, so that the build tool is pinned like everything else.

$(VENV)/.tools: $(PINS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "ltxbridge needs Python 3.11 or later; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c $(PINS) pip hatchling
	@touch $@

$(VENV)/.base: $(VENV)/.tools pyproject.toml $(SOURCES)
	$(PIP) install -c $(PINS) --no-build-isolation .
	@touch $@

$(VENV)/.ltx: $(VENV)/.base
	$(PIP) install -c $(PINS) --no-build-isolation '.[ltx]'
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) install -c $(PINS) --group test
	@touch $@

$(VENV)/.check: $(VENV)/.base
	$(PIP) install -c $(PINS) --group dev
	@touch $@
