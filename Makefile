# `make demo` and `make test` are all a newcomer needs; see README.md for the one apt line above them.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# An index with CPU builds of torch, to spare several GB of CUDA: see README.md.
TORCH_INDEX ?=
PIP_FLAGS := -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
SOURCES := protocol consensus bootstrap node tests bench tools examples

.PHONY: install demo test lint check e2e chaos chaos-ci chaos-long damage-long fuzz-long killers-long sim sim-long interop browser bench soak clean

install: $(VENV)/.ml

demo: $(VENV)/.ml
	$(BIN)/aimarket demo $(DEMO)

# Most tests share the cores; nodes in trouble get the machine for themselves.
test: lint
	$(BIN)/python -m pytest -n 2 -m 'not e2e and not chaos'
	$(BIN)/python -m pytest -n 2 -m 'e2e and not chaos'
	$(BIN)/python -m pytest -m chaos_ci
	$(MAKE) sim

lint: $(VENV)/.dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

# What to run before a push: everything but the tests that start whole nodes.
check: lint
	$(BIN)/python -m pytest -n 2 -m 'not e2e and not chaos'

e2e: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m 'e2e and not chaos'

# Real nodes under kills, cut wires, wrong clocks and full disks; needs root and the packages that
# docs/testing.md names. CHAOS_SHARE is how much of the runs listed there is done.
CHAOS_SHARE ?= 0.1
chaos: $(VENV)/.dev
	AIMARKET_REQUIRE_NETNS=1 AIMARKET_LONG=$(CHAOS_SHARE) $(BIN)/python -m pytest tests/chaos -m chaos

chaos-ci: $(VENV)/.dev
	$(BIN)/python -m pytest tests/chaos -m chaos_ci

chaos-long: $(VENV)/.dev
	AIMARKET_REQUIRE_NETNS=1 AIMARKET_LONG=1 $(BIN)/python -m pytest tests/chaos -m chaos

# Flipped bits and cut ends: all of what the tests do a tenth of.
damage-long: $(VENV)/.dev
	AIMARKET_LONG=1 $(BIN)/python -m pytest tests/node/test_store_damage_rot.py \
	  tests/node/test_store_damage_torn.py tests/consensus/test_equal_everywhere.py

# A hundred of every packet that once killed a host, where the tests send ten.
killers-long: $(VENV)/.dev
	AIMARKET_LONG=1 $(BIN)/python -m pytest tests/loopback/test_killers.py \
	  tests/loopback/test_live_killers.py tests/loopback/test_crowded_door.py

# A peer written with js-libp2p among our nodes; needs Node.js 20 or newer.
interop: $(VENV)/.dev tests/interop/node_modules/.package-lock.json
	AIMARKET_REQUIRE_NODE=1 $(BIN)/python -m pytest tests/interop

tests/interop/node_modules/.package-lock.json: tests/interop/package-lock.json
	npm ci --prefix tests/interop
	touch $@

# The dashboard as people see it: a real Chromium, real nodes; needs the packages chromium and npm.
browser: $(VENV)/.dev tests/dashboard/node_modules/.package-lock.json
	AIMARKET_REQUIRE_BROWSER=1 $(BIN)/python -m pytest tests/dashboard -n 2

tests/dashboard/node_modules/.package-lock.json: tests/dashboard/package-lock.json
	npm ci --prefix tests/dashboard
	touch $@

# A hundred thousand messages that are nearly right, for every decoder and handler of the door.
fuzz-long: $(VENV)/.dev
	AIMARKET_LONG=1 $(BIN)/python -m pytest -s tests/node/test_net_fuzz.py

# Many simulated nodes in bad weather, one seed after the other; `make sim SEED=17` replays one.
SEED ?=
SEEDS ?= $(or $(SEED),0-59)
NODES ?= 7
MINUTES ?= 10
sim: $(VENV)/.dev
	$(BIN)/python -m node.sim.trial --seeds $(SEEDS) --nodes $(NODES) --minutes $(MINUTES) --jobs 2

sim-long: $(VENV)/.dev
	$(BIN)/python -m node.sim.trial --seeds 0-999 --nodes $(NODES) --minutes $(MINUTES) --jobs 2

bench: $(VENV)/.dev
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.market
	$(BIN)/python -m bench.sync
	$(BIN)/python -m bench.store
	$(BIN)/python -m bench.machine
	$(BIN)/python -m bench.cli
	$(BIN)/python -m bench.rpc
	$(BIN)/python -m bench.gossip
	$(BIN)/python -m bench.memory
	$(BIN)/python -m bench.dashboard --minutes 2

# Half an hour: five real nodes, churn, a flooder. Slopes of what must not grow.
soak: $(VENV)/.dev
	$(BIN)/python -m bench.soak

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.ml: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -e '.[ml]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -e '.[dev]'
	touch $@
