# The one front door. Every target sets up first what it needs; that is quick when nothing has changed.
# ARGS passes further arguments on, as in: make test ARGS="tests/unit -k plan"

PYTHON ?= python3
HISTORIES ?=
SECONDS ?=
SEED ?=
ENVIRONMENT ?=
CONNECTOR ?=
VM ?=
VM2 ?=
ARGS ?=

# The virtual environment first: the Node in it is the one that jsii and the CDK CLI are tried with.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Settings of the shell that would lead Python, pytest or the CDK CLI elsewhere.
unexport PYTHONPATH PYTHONHOME PYTEST_ADDOPTS VIRTUAL_ENV CDK_OUTDIR NODE_OPTIONS
# Compiling aws_cdk anew in each process takes 8 s.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help set-up demo demo-fleet test test-long lint format local bench soak mutations acceptance dist release-check \
	site clean
.DEFAULT_GOAL := help

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s  %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

set-up: ## Install everything into .venv, node_modules and .local
	@$(PYTHON) tools/set_up.py

demo: set-up ## See it work: the real cdk CLI against the local AWS, about 2 minutes; ARGS=--all: 90 s more
	@python -m demo $(ARGS)

demo-fleet: set-up ## See the command evs-entitlements: policy, resolve, deploy, check; about 2 minutes
	@python -m demo.fleet

test: set-up ## Run the tests, about 4 minutes on two cores
	@python -m pytest -q -p tests.support.scheduling -n 6 -m "not long" $(ARGS)

test-long: set-up ## Run all tests, also those that wait long; each stack is deployed by the real CLI
	@DEPLOY_BY=cli HISTORIES=$(or $(HISTORIES),600) python -m pytest -q -p tests.support.scheduling -n 5 $(ARGS)

lint: set-up ## Check style, types and pages
	@ruff check --quiet .
	@ruff format --quiet --check .
	@mypy --no-error-summary acceptance constructs/evs_entitlements fleet/evs_fleet fleet/evs_health lambda_handler local_aws demo testing tools app.py hatch_build.py \
		benchmarks tests
	@lint-imports > .local/imports.log || { cat .local/imports.log; exit 1; }
	@python -m tools.docs_site --out .local/site/html
	@echo "lint: nothing found"

format: set-up ## Let ruff put style right where it can
	@ruff check --fix .
	@ruff format .

local: set-up ## Start the local AWS and leave it running until Ctrl-C
	@python -m local_aws start $(ARGS)

bench: set-up ## Measure: cold start, memory, thousands of VMs
	@python -m benchmarks $(ARGS)

soak: set-up ## Random histories with faults in virtual time: HISTORIES (10000), SECONDS or SEED
	@python -m tests.soak $(if $(HISTORIES),--histories $(HISTORIES)) $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(SEED),--seed $(SEED))

mutations: set-up ## Change one line of the handler at a time: each change has to fail the fast tests
	@python tools/mutations.py $(ARGS)

acceptance: set-up ## Ask a real account what AWS answers, and clean up: ENVIRONMENT=env-... VM=vm-... (VM2, CONNECTOR); costs
	@python -m acceptance $(if $(ENVIRONMENT),--environment $(ENVIRONMENT)) $(if $(VM),--vm $(VM)) \
		$(if $(VM2),--vm2 $(VM2)) $(if $(CONNECTOR),--connector $(CONNECTOR)) $(ARGS)

dist: set-up ## Build wheel and sdist into dist/, with checksums
	@rm -rf dist
	@SOURCE_DATE_EPOCH=1580601600 python -m hatchling build -d dist >/dev/null
	@cd dist && sha256sum evs_entitlements-* > SHA256SUMS && cat SHA256SUMS

site: set-up ## Build the documentation site into site/, to be read offline; installs its generator the first time
	@python -m tools.docs_site $(ARGS)
	@echo "site/index.html"

release-check: set-up ## Check that this tree can be released, and build it into dist/; ARGS=--unreleased: try it between releases
	@python tools/release_check.py $(ARGS)

clean: ## Remove all that was set up or built
	@rm -rf .venv .local node_modules cdk.out* dist site
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
