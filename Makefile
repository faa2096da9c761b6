PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-faults test-postgres setup lint lock screenshots faults bench mutants saturation recovery reading clean

run: setup          ## set up, start everything, print the address
	@$(BIN)/python manage.py up $(ARGS)

test: $(VENV)/.dev  ## set up and pass the tests
	@$(BIN)/python -m pytest -n 2 $(ARGS)

test-faults: $(VENV)/.dev    ## faults of real processes and servers, one after another: nothing else beside it
	@$(BIN)/python -m pytest -m faults tests/faults $(ARGS)

test-postgres: $(VENV)/.dev  ## what is about the database, on a PostgreSQL that is started for it
	@$(BIN)/python -m tests.faults.postgres $(ARGS)

lint: $(VENV)/.dev  ## what CI checks besides the tests
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/djlint --check --lint --quiet templates

setup: $(VENV)/.run ## make .venv with what running needs

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Muster needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Could not make $(VENV). On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: requirements.txt | $(VENV)/bin/python
	@echo "Installing what Muster needs into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(VENV)/bin/python
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	@touch $@ $(VENV)/.run

LOCK = uv pip compile -q --generate-hashes --no-emit-index-url --no-header --no-annotate --universal --python-version 3.11

lock:               ## renew the lock files (needs uv)
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) --extra dev --extra postgres --extra redis pyproject.toml -o requirements-dev.txt

clean:
	rm -rf $(VENV) var

screenshots: $(VENV)/.dev  ## do the main job in Chromium and photograph every page
	@$(BIN)/python docs/screenshots.py var/screenshots

bench: $(VENV)/.dev  ## figures beside their baselines: ARGS="receive history" for some of them
	@$(BIN)/python -m tests.bench $(ARGS)

mutants: $(VENV)/.dev ## change the code that decides in every small way; the tests must notice (hours on two cores; ARGS= names of mutants)
	@$(BIN)/mutmut run $(ARGS) && $(BIN)/mutmut results

SCHEDULES ?= 10000
SEED ?= 1
RUNS ?= 1

faults: test-faults ## schedules of faults and the crash matrix: SCHEDULES=10000 SEED=1 RUNS=20
	@$(BIN)/python -m tests.faults --schedules $(SCHEDULES) --seed $(SEED) --runs $(RUNS)

MINUTES ?= 10

saturation: $(VENV)/.dev ## four workers with more work than the platform allows: MINUTES=10
	@$(BIN)/python -m tests.faults.figures saturation --minutes $(MINUTES)

recovery: $(VENV)/.dev ## how long it takes until work goes on after a worker, beat or the broker is gone
	@$(BIN)/python -m tests.faults.figures recovery

DEVICES ?= 100000

reading: $(VENV)/.dev ## a fleet is read at the budget's pace while its worker is killed: DEVICES=100000 ARGS="--database postgresql"
	@$(BIN)/python -m tests.faults.figures reading --devices $(DEVICES) $(ARGS)
