# Two commands do everything on a fresh machine with python3 and make:
#   make smoke   deploy onto the embedded cloud with the real CDK CLI, prove it end to end, take it down
#   make test    all tests
# `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP_DONE := $(VENV)/.setup-done
PORT ?=

export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup smoke test local local-down check lock clean

help: ## what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(SETUP_DONE) ## .venv (hashed requirements, Node from PyPI) and node_modules

$(SETUP_DONE): requirements.txt pyproject.toml package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "This needs Python 3.11 or newer: install it, or name one with PYTHON=... ($(PYTHON) is too old or missing)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "setup: Python packages into $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo "setup: the CDK CLI into node_modules"
	@$(BIN)/npm ci --silent
	@touch $@

smoke: setup ## deploy onto a fresh embedded cloud, run the smoke test, destroy
	@$(BIN)/python -m local_cloud rehearse

test: setup ## all tests: unit, integration (embedded cloud), e2e (deployed on it)
	@$(BIN)/python -m pytest

local: setup ## embedded cloud in the background, deployed; writes .local/env and .local/outputs.json
	@$(BIN)/python -m local_cloud up $(if $(PORT),--port $(PORT))
	@$(BIN)/python -m local_cloud deploy

local-down: setup ## end what `make local` started
	@$(BIN)/python -m local_cloud down

check: setup ## format, lint, strict types, cdk-nag, bandit, pip-audit where its database can be reached
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/bandit --quiet --severity-level medium --recursive app.py stacks lambdas pubsub_client local_cloud
	@$(BIN)/python -m stacks.nag
	@.ci/audit

lock: setup ## write requirements.txt from requirements.in again
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  requirements.in --output-file requirements.txt

clean: ## remove what setup and the embedded cloud have made
	@[ ! -f .local/cloud.json ] || $(BIN)/python -m local_cloud down
	rm -rf $(VENV) node_modules .local cdk.out
