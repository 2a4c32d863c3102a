# `make help` lists the targets. Everything runs in a virtual environment of its own.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
PYTHON ?= python3
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS = never
export UV_LINK_MODE = copy
export HOMEGURU_STATE ?= $(CURDIR)/.state

.PHONY: help demo demo-down test test-fast lint clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "%-12s %s\n", $$1, $$2}'

.uv/bin/uv:
	@echo "installing uv from PyPI"
	@$(PYTHON) -m venv .uv
	@.uv/bin/pip install --quiet --disable-pip-version-check uv

.venv/.ready: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	@echo "making the virtual environment"
	@$(UV) sync --quiet --frozen --python $(PYTHON)
	@touch $@

demo: .venv/.ready ## A production server on this machine, with a release of HomeGuru on it
	@$(BIN)/homeguru demo up

demo-down: .venv/.ready ## Stop and remove everything that the demo made
	@$(BIN)/homeguru demo down

test: .venv/.ready lint ## Everything: lint, unit, adapters, harness, and e2e on a real engine
	@$(BIN)/pytest

test-fast: .venv/.ready ## Unit and adapter tests: no engine, seconds
	@$(BIN)/pytest tests/unit tests/adapters

lint: .venv/.ready ## ruff, mypy and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean: ## Remove the virtual environment and caches, not the state
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache
