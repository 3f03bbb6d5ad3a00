# `make demo` and `make test` are all a newcomer needs; see README.md for the one apt line above them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# An index with CPU builds of torch, to spare several GB of CUDA: see README.md.
TORCH_INDEX ?=
PIP_FLAGS := -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
SOURCES := protocol consensus bootstrap node tests bench tools

.PHONY: demo test lint check e2e bench clean

demo: $(VENV)/.ml
	$(BIN)/aimarket demo $(DEMO)

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

# What to run before a push: everything but the tests that start whole nodes.
check: lint
	$(BIN)/python -m pytest -m 'not e2e'

e2e: $(VENV)/.dev
	$(BIN)/python -m pytest -m e2e

bench: $(VENV)/.dev
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.market

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.ml: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -e '.[ml]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -e '.[dev]'
	touch $@
