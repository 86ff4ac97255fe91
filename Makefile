# `make` lists what there is to make. Everything sets itself up first.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup check test soak cloud cluster cluster-off format lock clean

BIN := .venv/bin
CODE := lake jobs tests conf/schedule
CLOUD := .cloud
CLUSTER := var/cluster
MASTER := 127.0.0.1:7077
DAEMON = SPARK_PID_DIR=$(abspath $(CLUSTER)) SPARK_LOG_DIR=$(abspath $(CLUSTER)) SPARK_DAEMON_MEMORY=256m SPARK_MASTER_OPTS=-Dspark.master.rest.enabled=false \
	.venv/lib/python3.11/site-packages/pyspark/sbin/spark-daemon.sh
DEPLOY := org.apache.spark.deploy
WARM := {"spark.driver.defaultJavaOptions": "-XX:ReservedCodeCacheSize=512m"} # hours in one JVM are worth its second compiler
LOCKED := --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Spark's workers take their Python from here, and the JVM its address.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYSPARK_PYTHON := $(CURDIR)/$(BIN)/python
export SPARK_LOCAL_IP ?= 127.0.0.1
unexport SPARK_HOME SPARK_CONF_DIR

help: ## list what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

cluster: setup ## a Spark master with two workers on this machine, on its loopback only, for --env cluster
	@! (exec 3<>/dev/tcp/$(subst :,/,$(MASTER))) 2>/dev/null || { echo "$(MASTER) is taken: end what listens there (make cluster-off, if it is a cluster), or say MASTER=127.0.0.1:PORT here and in conf/cluster.toml." >&2; exit 2; }
	$(DAEMON) start $(DEPLOY).master.Master 1 --host $(firstword $(subst :, ,$(MASTER))) --port $(lastword $(subst :, ,$(MASTER))) --webui-port 0
	for n in 1 2; do $(DAEMON) start $(DEPLOY).worker.Worker $$n --host 127.0.0.1 --webui-port 0 --cores 1 --memory 1g --work-dir $(abspath $(CLUSTER))/work spark://$(MASTER); done

cluster-off: ## the end of it
	for n in 1 2; do $(DAEMON) stop $(DEPLOY).worker.Worker $$n; done
	$(DAEMON) stop $(DEPLOY).master.Master 1
	rm -rf $(CLUSTER)/work

format: setup ## bring the code into form
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

lock: ## resolve pyproject.toml anew into requirements.lock, and what `make cloud` needs besides (needs uv)
	uv pip compile pyproject.toml --group dev $(LOCKED) --output-file requirements.lock
	uv pip compile --group pyproject.toml:cloud $(LOCKED) --output-file tests/cloud/requirements.lock

clean: ## remove what tools left; neither .venv nor the data under var/
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(CLOUD) tests/cloud/node_modules spark-warehouse metastore_db derby.log var/run
	find $(CODE) -name __pycache__ -prune -exec rm -rf {} +
