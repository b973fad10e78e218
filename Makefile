# On a fresh machine: Python 3.11 or newer with venv, make and git. Everything else comes with `make run`.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
# A virtual environment that could not be finished must not pass for one that is.
.DELETE_ON_ERROR:
.PHONY: help run test test-all test-system coverage soak lint bench requirements clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' Makefile

run: .venv/local.installed ## Site and workers on http://127.0.0.1:8000 (HOST and PORT change it)
	@exec $(BIN)/python -m proppy.local

test: lint ## Lint, and every test that needs neither root nor services
	$(BIN)/python -m pytest -n auto -m "not services and not system"

test-all: test ## Those, then every test that needs services (it installs them), a short soak, and a booted Debian
	@sh tests/install-services
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "services and not soak and not system"
	$(BIN)/python -m pytest -m "soak or system"

test-system: .venv/test.installed ## Of these the booted Debian alone: install, kill, upgrade, restore (5 minutes)
	@sh tests/install-services
	$(BIN)/python -m pytest -m system

coverage: .venv/test.installed ## What the tests cover, but for the short soak and the booted Debian
	@sh tests/install-services
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not soak and not system" --cov --cov-report term

lint: .venv/test.installed ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/test.installed ## The benchmarks, as a table of ratios
	@$(BIN)/python -m tests.benchmarks

soak: .venv/test.installed ## A million requests while everything breaks, as a table (ARGS=--help says more)
	@sh tests/install-services
	@$(BIN)/python -m tests.soak $(ARGS)

requirements: .venv/test.installed ## Compile requirements/*.in to hashed *.txt (ARGS=--upgrade for newer versions)
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh requirements/compile $(ARGS)

clean: ## Remove what make has made; .env and var (the data) stay
	rm -rf .venv staticfiles .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/%.installed: requirements/%.txt .venv/pyvenv.cfg
	@echo "Installing $< into .venv (the first time this takes a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"proppy needs Python 3.11 or newer, and $(PYTHON) is not. Name one that is: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Making the virtual environment .venv with $(PYTHON) ..."
	@$(PYTHON) -m venv .venv
