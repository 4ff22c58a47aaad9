# Lapel's own chores. They need python3 (3.11 or newer, with venv) and make, no more.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt

.PHONY: demo test coverage test-all check docs contributing notebooks openapi release bench clean

demo: .venv/train
	$(BIN)/python -m lapel demo

test: .venv/test
	$(BIN)/python -m pytest --numprocesses auto -m 'not long'

# The same with the share of lines that it reaches, which must be 92 % at least: it takes about twice as long.
coverage: .venv/test
	$(BIN)/python -m pytest --numprocesses auto -m 'not long' --cov --cov-report=term --cov-fail-under=92

# What `make test` leaves out. Gradio bounds Pillow otherwise than we do, so its programs have an environment of their own;
# they leave sockets and event loops open, at which their tests do not look.
test-all: .venv/test .venv-apps/done
	$(BIN)/python -m pytest --numprocesses auto -m long
	.venv-apps/bin/python -m pytest -p no:unraisableexception tests/test_apps.py

docs: .venv/docs
	$(BIN)/python docs/generate.py
	$(BIN)/zensical build --clean --strict

# The toys of tests/extending into CONTRIBUTING.md.
contributing: .venv/test
	$(BIN)/python docs/generate.py --contributing

# The example notebooks, run on the real Fashion-MNIST: LAPEL_DATA=FOLDER make notebooks
notebooks: .venv/test
	$(BIN)/python benchmarks/notebooks.py

release: .venv/release
	$(BIN)/python benchmarks/release.py

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
	rm -rf .venv .venv-apps build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
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
	$(PIP) --editable '.[train,keras,jax,pretrained,timm,heic,serve,tensorboard,notebook,audit,explain,search,sweep,openvino,litert,test]'
	@# What runs a model in a browser, for the tests of that; they are left out where there is no npm.
	@if command -v npm >/dev/null; then npm pack --silent --pack-destination .venv onnxruntime-web@1.30.0 >/dev/null \
		|| echo "onnxruntime-web could not be fetched: its tests are left out." >&2; fi
	@touch $@

.venv/docs: .venv/train
	$(PIP) --editable '.[docs]'
	@touch $@

.venv/release: .venv/python pyproject.toml constraints.txt
	$(PIP) --editable '.[release]'
	@touch $@

.venv-apps/done: pyproject.toml
	$(PYTHON) -m venv .venv-apps
	.venv-apps/bin/python -m pip --disable-pip-version-check --quiet install --editable '.[apps]' pytest
	@touch $@
