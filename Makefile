# `make demo` and `make test` work in a fresh clone: they make .venv and install what they need.
# .venv belongs to this file: it is made anew whenever an installation was interrupted.

PYTHON ?= python3

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
comma := ,
RECIPE_FILES := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint bench fuzz docs clean

help: ## Show this list
	@echo "make demo     compose a corpus, learn it, play pieces of each feel, make a page (installs Woodshed into .venv first)"
	@echo "make test     everything that must pass: make check, then all tests"
	@echo "make check    lint, format, types, and the rules of the house (tests/house)"
	@echo "make setup    only make .venv, with Woodshed and its tools"
	@echo "make docs     write the pages that are made from the code itself"
	@echo "make bench    measure speed and memory"
	@echo "make fuzz     feed the readers tens of thousands of damaged files"
	@echo "make clean    remove .venv and everything else that was made here"

# $(call install,WHAT,STAMPS): bring .venv up to date. Its stamps are taken away before and put back
# after, so an installation that was interrupted starts from nothing the next time.
define install
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"Woodshed needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
		"; name another one: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@test -e .venv/base || $(PYTHON) -m venv --clear .venv
	@rm -f .venv/base .venv/dev
	@echo "Installing $(1) into .venv (a minute or so; PyTorch is some 200 MB, and more with a GPU's) ..."
	@$(PIP) install -c constraints.txt -e '$(1)'
	@echo "Compiling what is compiled once (half a minute) ..."
	-@$(BIN)/python -m woodshed.recipes.learn_warm
	@touch $(2)
endef

.venv/base: $(RECIPE_FILES)
	$(call install,.[neural],.venv/base)

.venv/dev: $(RECIPE_FILES)
	$(call install,.[dev$(comma)neural],.venv/base .venv/dev)

setup: .venv/dev

demo: .venv/base
	@$(BIN)/woodshed demo

lint: .venv/dev
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary

check: lint
	@$(BIN)/python -m pytest tests/house -q -m "not slow"

# All of `check` is in here: tests/house is among the tests.
test: lint
	@$(BIN)/python -m pytest -n auto --maxprocesses 8

bench: .venv/dev
	@$(BIN)/python benchmarks/run.py
	@$(BIN)/python benchmarks/tokens.py
	@$(BIN)/python benchmarks/prepare.py speed
	@$(BIN)/python benchmarks/sound.py

fuzz: .venv/dev
	@$(BIN)/python scripts/fuzz.py

docs: .venv/dev
	@$(BIN)/python scripts/docs.py

clean:
	@rm -rf .venv build demo dist .fuzz .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
