# Each target makes .venv and installs what it needs; after that it works offline.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-fast lint bench docs clean

demo: .venv/demo.installed  ## GALA and re-balancing on real images, and a page of figures, under two minutes
	$(BIN)/python examples/digits.py
	$(BIN)/python examples/report.py

test: .venv/dev.installed  ## the whole test suite, in two processes of one thread each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-fast: .venv/dev.installed  ## the tests that are not marked slow, in a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m "not slow"

lint: .venv/dev.installed  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/dev.installed  ## speed, as ratios measured side by side
	$(BIN)/python benchmarks/losses.py
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/linear_head.py
	$(BIN)/python benchmarks/import_time.py
	$(BIN)/python benchmarks/augmentation.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/streams.py
	$(BIN)/python benchmarks/features.py
	$(BIN)/python benchmarks/finetune.py

docs: .venv/docs.installed  ## the documentation site, in build/docs/site
	$(BIN)/python docs/site/build.py

clean:
	rm -rf .venv

.venv/%.installed: .venv/made pyproject.toml constraints.txt
	@echo "Installing into .venv; torch brings its GPU libraries, 6 GB in all. This takes a few minutes once."
	$(PIP) install --quiet --constraint constraints.txt --editable ".[$*]"
	touch $@

.venv/made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "longtail needs Python 3.11 or newer, got " + sys.version)'
	$(PYTHON) -m venv .venv
	touch $@
