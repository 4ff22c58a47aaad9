# Lapel's own chores. `make demo` and `make test` need python3 (3.11 or newer, with venv) and make, no more.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt

.PHONY: demo test check bench openapi clean

demo: .venv/train
	$(BIN)/python -m lapel demo

test: .venv/test
	$(BIN)/python -m pytest --numprocesses auto

check: .venv/test
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest tests/test_house.py

bench: .venv/test
	$(BIN)/python benchmarks/speed.py

openapi: .venv/test
	$(BIN)/python -m lapel.serve.api.openapi.build

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Lapel needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# A mark is newer than what it was made from, or the step is done again.
.venv/train: .venv/python pyproject.toml constraints.txt
	$(PIP) --editable '.[train]'
	@touch $@

.venv/test: .venv/train
	$(PIP) --editable '.[train,keras,jax,heic,serve,tensorboard,notebook,test]'
	@touch $@
