# One command for each thing that people do here. Everything is installed into .venv, pinned.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# What the pretend pull request of `make run` changes.
SET ?= digits.train.channels=[32,64] tabular.train.C=3.0
PINS := $(filter-out requirements-dev.txt requirements-server.txt requirements-cluster.txt,$(wildcard requirements*.txt)) pyproject.toml
INSTALL := $(BIN)/python .github/actions/setup/install.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List what can be made.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

.PHONY: install
install: $(VENV)/.installed ## Install the pinned set into .venv.

.PHONY: run
run: $(VENV)/.installed ## Open a pretend pull request here and judge it: SET="digits.train.learning_rate=0.01".
	@$(BIN)/pawl run --base HEAD $(foreach change,$(SET),--set '$(change)') || test $$? -eq 1

.PHONY: services
services: $(VENV)/.installed-server ## Run an MLflow server with its database and store here: FOLDER=.pawl/server PORT=5000.
	@$(BIN)/python -m pawl.server --folder $(or $(FOLDER),.pawl/server) up --port $(or $(PORT),5000)

.PHONY: test
test: $(VENV)/.installed-dev ## Run every test.
	@$(BIN)/python -m pytest -n 3 --dist loadfile

.PHONY: lint
lint: $(VENV)/.installed-dev ## Check format, lint, types and workflows.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tests.lint_workflows
	$(BIN)/python -m tests.lint_deploy

.PHONY: lock
lock: ## Write the digests of what requirements*.txt pin, as the package index has them.
	@$(BIN)/python tools/lock.py

.PHONY: lock-check
lock-check: ## Say whether the digests in requirements*.txt hold.
	@$(BIN)/python tools/lock.py --check

.PHONY: bench
bench: $(VENV)/.installed-dev ## Print every timing beside what one would do without pawl: BENCH="loop images".
	@$(BIN)/python -m benchmarks $(or $(BENCH),all)

$(VENV)/.installed: $(PINS)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned set into $(VENV): 2 to 5 minutes the first time."
	@$(INSTALL) requirements.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-server: $(VENV)/.installed requirements-server.txt
	@$(INSTALL) requirements-server.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-server.txt requirements-cluster.txt requirements-dev.txt
	@$(INSTALL) requirements-dev.txt
	@touch $@
