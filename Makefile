# A fresh machine needs Python 3.11 or newer with venv, make and git. `make run` installs everything else.
PYTHON ?= python3
BIN := .venv/bin
# One more than the cores: many tests wait for a process.
JOBS ?= $(shell echo $$(($$(nproc) + 1)))

# Compiled tests are kept: to compile them again takes each of pytest's processes ten seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# A virtual environment that was not finished must not count as finished.
.DELETE_ON_ERROR:
.PHONY: help run test test-all test-services test-system test-hosts test-release coverage soak lint bench bench-peers web-servers requirements clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' Makefile

run: .venv/local.installed ## Site and workers on http://127.0.0.1:8000 (HOST and PORT change it)
	@exec $(BIN)/python -m proppy.local

test: lint ## Lint, and every test that needs neither root nor services
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not services and not slow and not system"

test-all: test ## make test, then make test-services (17 to 35 minutes)
	@$(MAKE) test-services

test-services: .venv/test.installed .venv-asgi-servers/bin/uvicorn ## Install services and run the tests that need them; a booted Debian 13; pairs of Python and Django; a short soak
	@sh tests/install-services
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope -m "(services or slow or system) and not soak and not release"
	$(BIN)/python -m pytest -m soak

test-system: .venv/test.installed ## Only the booted Debian 13: install, kill, upgrade, restore
	@sh tests/install-services
	$(BIN)/python -m pytest -m system

test-hosts: .venv/test.installed ## Only the projects that the engine was not made for: an array of settings; Wagtail, django CMS, django-oscar
	@sh tests/install-services
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope tests/hosts

test-release: .venv/test.installed .venv-asgi-servers/bin/uvicorn ## Before a release (two hours): booted Debian 13 and 12, host projects, a soak of 200,000 requests
	@sh tests/install-services
	$(BIN)/python -m pytest -m system --suite=trixie
	$(BIN)/python -m pytest -m system --suite=bookworm
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "hypothesis and not release" --hypothesis-profile release
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope -m "release and not system"
	$(BIN)/python -m tests.soak --requests 200000 --rate 105

coverage: .venv/test.installed .venv-asgi-servers/bin/uvicorn ## Coverage of the tests, without the short soak and the booted Debian
	@sh tests/install-services
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --ignore tests/pairs -m "not soak and not system and not release" --cov --cov-report term

lint: .venv/test.installed ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/test.installed ## The benchmarks, as a table of ratios (30 minutes; options: ARGS=--help)
	@sh tests/install-services
	@$(BIN)/python -m tests.benchmarks $(ARGS)

bench-peers: .venv/test.installed .venv-bench-peers/bin/gunicorn ## Other queues beside ours, as a table (options: ARGS=--help)
	@sh tests/install-services
	@$(BIN)/python -m tests.peers $(ARGS)

.venv-bench-peers/bin/gunicorn: requirements/bench-peers.txt
	@echo "Installing $< into .venv-bench-peers ..."
	@$(PYTHON) -m venv .venv-bench-peers
	@.venv-bench-peers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

web-servers: .venv/test.installed .venv-web-servers/bin/waitress-serve ## Compare web servers: bodies, slow clients, speed (10 minutes)
	@sh tests/install-services
	@$(BIN)/python -m tests.web_servers

.venv-web-servers/bin/waitress-serve: requirements/web-servers.txt
	@echo "Installing $< into .venv-web-servers ..."
	@$(PYTHON) -m venv .venv-web-servers
	@.venv-web-servers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<

.venv-asgi-servers/bin/uvicorn: requirements/asgi-servers.txt
	@echo "Installing $< into .venv-asgi-servers ..."
	@$(PYTHON) -m venv .venv-asgi-servers
	@.venv-asgi-servers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

soak: .venv/test.installed ## A million requests while everything breaks, as a table (options: ARGS=--help)
	@sh tests/install-services
	@$(BIN)/python -m tests.soak $(ARGS)

requirements: .venv/test.installed ## Compile requirements/*.in to hashed *.txt (ARGS=--upgrade for newer versions)
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh requirements/compile $(ARGS)

clean: ## Remove what make has made, except .env and var (the data)
	rm -rf .venv .venv-web-servers .venv-asgi-servers .venv-bench-peers staticfiles .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
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
