# Every target does its own set-up: a virtual environment in .venv, made from setup.cfg alone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test check docs clean

$(VENV)/.ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --config-settings editable_mode=compat -e '.[test,dev]'
	touch $@

run: $(VENV)/.ready
	$(BIN)/python -m clustergateway.sandbox

test: $(VENV)/.ready
	$(BIN)/python -m twisted.trial --temp-directory .trial tests

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) .trial build dist
