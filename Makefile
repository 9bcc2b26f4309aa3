# Everything here needs Python >= 3.11, make and pip; no compiler. The first target run
# makes .venv and installs the versions of constraints.txt into it.
#
# On Linux, PyPI's torch brings its CUDA libraries (several GB). Where pip knows an index with
# CPU builds, name it: make demo PIP_ARGS="--extra-index-url URL".

PYTHON ?= python3
PIP_ARGS ?=
PYTEST_ARGS ?=
DEMO_BUDGET ?= 45s
WORKERS ?= 2

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt

# One thread each: the tests run side by side, and two threads on a small network are
# slower than one.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

.PHONY: help demo test test-all browser lint fmt docs clean
.NOTPARALLEL:

help:
	@echo "make demo      fit, show and use a model on a small table"
	@echo "make test      the tests, a few minutes"
	@echo "make test-all  the slow ones too"
	@echo "make browser   what the tests of pages need besides chromium; skipped without both"
	@echo "make lint      ruff and pyright"
	@echo "make fmt       format the code"
	@echo "make docs      write the pages of the ingredients"
	@echo "make clean     remove what the above made"

demo: .venv/.installed-base
	rm -rf demo-run
	$(BIN)/shrinkage fit breast_cancer --budget $(DEMO_BUDGET) --out demo-run
	$(BIN)/shrinkage show demo-run
	$(BIN)/shrinkage predict demo-run breast_cancer -o demo-run/predictions.csv
	@head -n 4 demo-run/predictions.csv

test: .venv/.installed-test
	$(PYTEST)

test-all: .venv/.installed-test
	$(PYTEST) -m ""

browser: .venv/.installed-browser

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

fmt: .venv/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.installed-dev
	$(BIN)/python -m shrinkage.cards docs/ingredients

clean:
	rm -rf .venv demo-run .pytest_cache .ruff_cache .hypothesis build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "shrinkage needs Python >= 3.11, $(PYTHON) is %d.%d: make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv

# The stamps: an install is repeated when what is asked for, or the tested versions, change.
.venv/.installed-base: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing shrinkage into .venv"
	@$(INSTALL) -e .
	@touch $@

.venv/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing shrinkage[$*] into .venv"
	@$(INSTALL) -e '.[$*]'
	@touch $@
