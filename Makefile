# On a new machine with python3 and make:
#   make smoke   deploy to the local cloud with the real CDK CLI, test the deployment end to end, and destroy it
#   make test    run all tests
# `make help` lists all targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP_DONE := $(VENV)/.setup-done
DEV_DONE := $(VENV)/.dev-done
# uv installs the locked packages in seconds. It uses pip's index and certificates. The index is passed in the environment,
# because it can contain a password, and arguments are visible to other users.
PIP_HAS = $$($(BIN)/python -m pip config get global.$(1) 2>/dev/null)
UV_SETTINGS = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$(call PIP_HAS,index-url)}}" \
  SSL_CERT_FILE="$${SSL_CERT_FILE:-$${PIP_CERT:-$(call PIP_HAS,cert)}}"
RUN_UV = $(UV_SETTINGS) $(BIN)/uv --quiet
# Cached packages need no network. The hashes in the lock files verify them.
CACHED_OR_NEW = $(RUN_UV) --offline $(1) 2>/dev/null || $(RUN_UV) $(1)
INTO_VENV = --python $(BIN)/python --system-certs
LOCK = $(RUN_UV) pip compile --system-certs --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
WEB := examples/amplify-web
WEB_DONE := $(WEB)/node_modules/.setup-done
PORT ?=
# Two processes for each core, because the tests wait much of the time.
TEST_PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(min(8, (os.cpu_count() or 2) * 2))' 2>/dev/null)
PYTEST_OPTIONS = --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --durations 10 \
  $(if $(SEED),--randomly-seed $(SEED))
PYTEST = $(BIN)/python -m pytest $(PYTEST_OPTIONS)
TARGET := $(if $(PROFILE),--profile $(PROFILE)) $(if $(REGION),--region $(REGION)) \
  $(if $(ENVIRONMENT),--environment $(ENVIRONMENT)) $(if $(filter 1,$(YES)),--yes)

export PATH := $(CURDIR)/$(BIN):$(PATH)
# uv does not compile packages; the first import does. With this variable, which many container images set, Python does not
# save the result, so every process compiles all imports. The local cloud then needs 2.4 s of CPU to start instead of 0.5 s.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup smoke test test-unit test-pythons coverage local local-down demo deploy destroy check bench lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(SETUP_DONE) ## install .venv (hashed requirements, Node from PyPI) and node_modules

$(SETUP_DONE): requirements.txt pyproject.toml package-lock.json
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 or newer is needed, and $(PYTHON) is too old or missing: install it, or set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@echo "setup: Python packages into $(VENV)"
	@[ -x $(BIN)/python ] || rm -rf $(VENV)  # its Python was removed
	@$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\]$$/p' requirements.txt >$(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.txt
	@$(call CACHED_OR_NEW,pip sync $(INTO_VENV) --require-hashes requirements.txt)
	@$(RUN_UV) pip install $(INTO_VENV) --no-deps --no-build-isolation --editable .
	@echo "setup: the CDK CLI into node_modules"
	@$(BIN)/npm ci --loglevel=error --prefer-offline >/dev/null
	@touch $@

$(DEV_DONE): requirements-dev.txt $(SETUP_DONE)
	@echo "setup: packages for checks and tests into $(VENV)"
	@$(call CACHED_OR_NEW,pip install $(INTO_VENV) --require-hashes --requirement requirements-dev.txt)
	@touch $@

$(WEB_DONE): $(WEB)/package-lock.json | $(SETUP_DONE)
	@echo "setup: the web example's packages into $(WEB)/node_modules"
	@cd $(WEB) && npm ci --loglevel=error --prefer-offline >/dev/null
	@touch $@

smoke: setup ## deploy to a new local cloud, run the smoke test, destroy
	@$(BIN)/python -m tools smoke

test: $(DEV_DONE) $(WEB_DONE) ## run all tests; SEED= repeats an order
	@$(PYTEST)

test-unit: $(DEV_DONE) ## run the unit tests, which need no network
	@$(PYTEST) --numprocesses auto --maxprocesses 8 tests/unit

test-pythons: $(DEV_DONE) ## run the unit tests on each installed Python of 3.11, 3.12 and 3.13
	@$(UV_SETTINGS) .ci/test-pythons

coverage: $(DEV_DONE) $(WEB_DONE) ## measure the branch coverage of all tests; TESTS= for some of them
	@.ci/coverage $(PYTEST_OPTIONS) $(TESTS)

local: setup ## start the local cloud, deploy; writes .local/env and .local/outputs.json
	@$(BIN)/python -m tools local $(if $(PORT),--port $(PORT))

local-down: setup ## stop the local cloud of `make local`
	@$(BIN)/python -m local_cloud down

demo: local $(WEB_DONE) ## run `make local`, and serve the Amplify web example with two users until Ctrl-C
	@$(BIN)/python -m tools demo

deploy: setup ## deploy to AWS, then smoke test; PROFILE= REGION= ENVIRONMENT= JUNIT=FILE YES=1
	@$(BIN)/python -m tools deploy $(TARGET)$(if $(JUNIT), --junit $(JUNIT))

destroy: setup ## destroy that deployment, after you type the stack's name
	@$(BIN)/python -m tools destroy $(TARGET)

check: $(DEV_DONE) $(WEB_DONE) ## check format, lint, types, imports, templates and security
	@$(MAKE) --no-print-directory --jobs 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) $(CHECKS)

# The longest first. Each check prints its output when it ends.
CHECKS := check-types check-templates check-security check-audit check-web check-imports check-style
.PHONY: $(CHECKS)
check-style:
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

check-types:
	@$(BIN)/mypy

check-imports:
	@output=$$($(BIN)/lint-imports --no-cache) || { echo "$$output" >&2; exit 1; }

check-web:
	@cd $(WEB) && npm run --silent check

check-security:
	@$(BIN)/bandit --quiet --severity-level medium --recursive app.py stacks lambdas pubsub_client pubsub_cli tools local_cloud pubsub_testing

check-templates:
	@$(BIN)/python -m tools.check_templates

check-audit:
	@.ci/audit

bench: $(DEV_DONE) ## run the benchmarks of the CLI, the CDK app, the client and the attachment
	@failed=; for each in startup client attachment scale; do $(BIN)/python -m benchmarks.$$each || failed="$$failed $$each"; done; \
	  [ -z "$$failed" ] || { echo "missed a goal:$$failed" >&2; exit 1; }

lock: $(SETUP_DONE) ## update requirements.txt and requirements-dev.txt from their .in files
	@$(LOCK) requirements.in --output-file requirements.txt
	@$(LOCK) requirements-dev.in --constraint requirements.txt --output-file requirements-dev.txt

clean: ## remove the files of setup and local cloud
	@[ ! -f .local/cloud.json ] || $(BIN)/python -m local_cloud down
	rm -rf $(VENV) node_modules $(WEB)/node_modules $(WEB)/dist .local cdk.out
