# The first target that needs it makes .venv from constraints.txt; VENV=… and PYTHON=… choose others.
# WORKERS=… processes run the fast tests, one thread each.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS ?= .venv-peers
PEERS_STAMP := $(PEERS)/.installed
FOREIGN ?= .venv-systems
FOREIGN_STAMP := $(FOREIGN)/.fetched
FLOORS := systems models actors orchestrator
TYPING := build/typing/msgen
LINKS := $(TYPING)/__init__.py $(addprefix $(TYPING)/,$(FLOORS))
ARGS ?=
WORKERS ?= 2

.PHONY: demo test test-slow lint format bench chaos clean tblite tutorials tables
.DEFAULT_GOAL := demo

demo: $(STAMP)
	$(BIN)/msgen-run configs/alanine_dipeptide.yaml $(ARGS)

test: lint
	$(BIN)/pytest -m "not slow" -n $(WORKERS) --dist worksteal $(ARGS)

test-slow: $(STAMP)
	$(BIN)/pytest -m slow $(ARGS)

lint: $(STAMP) $(LINKS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p msgen

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# xTB for systems of ASE's: its tests run where it is there.
tblite: $(STAMP)
	$(BIN)/python -m pip install --quiet -c constraints.txt tblite

# 50 random kills of workers, trainer, controller, driver and nodes during one campaign.
chaos: $(STAMP)
	$(BIN)/python tests/chaos.py $(ARGS)

# From rows in runs/benchmarks, and from run directories of the demo that ARGS names.
tables: $(STAMP)
	PYTHONPATH=$(CURDIR)/tests/support $(BIN)/python tests/tables.py $(ARGS)

# Does what docs/tutorials say; writes their pictures and what was printed. ARGS=ligand for one page.
tutorials: $(STAMP)
	PYTHONPATH=$(CURDIR)/tests/support $(BIN)/python tests/tutorials.py $(ARGS)

bench: $(STAMP) $(if $(filter alanine inputs,$(NAME)),$(PEERS_STAMP)) $(if $(filter systems inputs,$(NAME)),$(FOREIGN_STAMP))
	@test -f "tests/benchmarks/$(NAME).py" || { \
	  echo "usage: make bench NAME=…, one of:"; \
	  ls tests/benchmarks 2>/dev/null | sed -n 's/^\([a-z].*\)\.py$$/  \1/p'; exit 2; }
	PEERS=$(PEERS) FOREIGN=$(FOREIGN) PYTHONPATH=$(CURDIR)/tests/support:$(CURDIR)/tests/references \
	  $(BIN)/python tests/benchmarks/$(NAME).py $(ARGS)

# Runs and environments stay: they are dear.
clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find $(FLOORS) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "msgen needs Python 3.11 or newer: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

# Other people's samplers, in an environment of their own: only the benchmark beside them needs it.
$(PEERS_STAMP): tests/benchmarks/peers/requirements.txt constraints.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet -c constraints.txt -r $<
	touch $@

# Test data of other packages: their archives are fetched, nothing in them is installed.
$(FOREIGN_STAMP): tests/benchmarks/systems_parts/requirements.txt
	$(PYTHON) -m venv $(FOREIGN)
	$(FOREIGN)/bin/python -m pip download --quiet --no-deps --dest $(FOREIGN)/archives -r $<
	touch $@

# mypy cannot follow setuptools' editable finder: it sees the floors as one package by these links.
$(TYPING)/__init__.py:
	mkdir -p $(@D)
	ln -sfn ../../../orchestrator/package_root/__init__.py $@

$(TYPING)/%:
	mkdir -p $(@D)
	ln -sfn ../../../$* $@
