# `make` lists what there is to make. Everything sets itself up first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup check test soak cloud format lock clean

BIN := .venv/bin
CODE := lake jobs tests conf/schedule
CLOUD := .cloud
WARM := {"spark.driver.defaultJavaOptions": "-XX:ReservedCodeCacheSize=512m"} # hours in one JVM are worth its second compiler
LOCKED := --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Spark's workers take their Python from here, and the JVM its address.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYSPARK_PYTHON := $(CURDIR)/$(BIN)/python
export SPARK_LOCAL_IP ?= 127.0.0.1
unexport SPARK_HOME SPARK_CONF_DIR

help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what requirements.lock and jars.lock name (once; needs Python 3.11 and Java 17)
	@./spark-submit.sh setup

check: setup ## formatting, ruff, mypy --strict, import contracts, house rules
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m lake.engine.lint

test: setup ## the tests, warnings as errors; one file: make test ARGS=tests/house/test_lint.py
	$(BIN)/python -m pytest -m "not soak and not cloud" $(SIDE_BY_SIDE) $(ARGS)

soak: setup ## the long random schedules as well: hours
	ROBOLAKE__SPARK__PROPERTIES='$(WARM)' $(BIN)/python -m pytest -m "not cloud" -o timeout=1800 $(SIDE_BY_SIDE) $(ARGS)

cloud: setup $(CLOUD)/set-up ## the cloud lake on a stand-in for AWS: Terraform, its policies, there and back (needs terraform)
	ROBOLAKE_CLOUD=$(CURDIR)/$(CLOUD)/bin $(BIN)/python -m pytest tests/cloud $(ARGS)

$(CLOUD)/set-up: tests/cloud/requirements.lock tests/cloud/package-lock.json
	$(BIN)/python -m venv --clear $(CLOUD)
	$(CLOUD)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/cloud/requirements.lock
	PATH="$(CURDIR)/$(CLOUD)/bin:$$PATH" npm ci --prefix tests/cloud --ignore-scripts --no-audit --no-fund --silent
	touch $@

format: setup ## bring the code into form
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

lock: ## resolve pyproject.toml anew into requirements.lock, and what `make cloud` needs besides (needs uv)
	uv pip compile pyproject.toml --group dev $(LOCKED) --output-file requirements.lock
	uv pip compile --group pyproject.toml:cloud $(LOCKED) --output-file tests/cloud/requirements.lock

clean: ## remove what tools left; neither .venv nor the data under var/
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(CLOUD) tests/cloud/node_modules spark-warehouse metastore_db derby.log var/run
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +
