# Everything is installed into .venv, with the versions of constraints.txt; nothing needs sudo.
# Two stamps say what is there: `run` (the product) and `develop` (the tools and tests as well).
# A newer pyproject.toml or constraints.txt makes them again.

VENV  := .venv
BIN   := $(VENV)/bin
RUN   := $(VENV)/.installed-run
DEVELOP := $(VENV)/.installed-develop
PIP   := $(BIN)/python -m pip --disable-pip-version-check -q
# `make test PYTHON=/opt/python3.12/bin/python3` chooses the interpreter of a new .venv.
PYTHON ?=
# `make test ARGS="-k naming"` hands more to pytest, demo or bench.
ARGS ?=

.PHONY: help demo test check bench messages pictures clients constraints clean
.DEFAULT_GOAL := help

help:  ## say what can be made
	@sed -n 's/^\([a-z]*\):.*##/  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(RUN)  ## watch invoices go round: pretend hub, bridge, old client
	@$(BIN)/efact-bridge demo $(ARGS)

test: $(DEVELOP)  ## run the tests
	@$(BIN)/python -m pytest -n auto --durations=15 $(ARGS)

check: $(DEVELOP)  ## lint, formatting, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEVELOP)  ## measure, as ratios within one run
	@$(BIN)/python -m tests.bench $(ARGS)

# A .venv that is half made, or whose interpreter has gone, is made anew.
ifeq ($(shell $(BIN)/python -m pip --version 2>/dev/null),)
$(shell rm -f $(BIN)/python $(RUN) $(DEVELOP))
endif

$(BIN)/python:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  echo "Making $(VENV) with $$("$$python" --version) …"; \
	  "$$python" -m venv --clear $(VENV) && exit 0; \
	  rm -rf $(VENV); \
	  echo "$$python cannot make $(VENV): on Debian and Ubuntu install python3-venv" >&2; exit 1; \
	done; \
	echo "Python 3.11 or newer is needed and was not found: install it, or say where it is:" >&2; \
	echo "  make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3" >&2; exit 1

# Editable: what runs is what is in this folder, for the demo and for the tests alike.
$(RUN): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) …"
	@$(PIP) install 'pip>=25.1'  # the first that knows --group
	@$(PIP) install -c constraints.txt -e '.[ftps]'
	@touch $@

$(DEVELOP): $(RUN)
	@echo "Installing the tools and tests into $(VENV) …"
	@$(PIP) install -c constraints.txt -e '.[ftps]' --group test --group check
	@rm -rf $(VENV)/legacy-ssh  # what the extra legacy-ssh brings, for the tests of old clients
	@$(PIP) install --no-deps --target $(VENV)/legacy-ssh 'paramiko==4.0.0'
	@touch $@

messages: $(DEVELOP)  ## carry new sentences into the catalogues of reconcile/locale
	@$(BIN)/python -m tests.catalogues

clients: $(DEVELOP)  ## try all real clients, write the table of docs/clients.md
	@EFACT_REQUIRE_CLIENTS=1 $(BIN)/python -m pytest -n auto tests/test_door_clients.py --write-clients

pictures: $(DEVELOP)  ## make the pictures of docs/ again (needs chromium)
	@$(BIN)/python -m tests.pictures

# The versions that were tried together, from the newest that pyproject.toml allows. Python 3.12
# and newer need pyasyncore and pyasynchat; they are named here so that 3.11 pins them as well.
constraints: | $(BIN)/python  ## pin the newest versions in constraints.txt
	@rm -rf build/constraints && $(BIN)/python -m venv build/constraints
	@build/constraints/bin/python -m pip --disable-pip-version-check -q install --upgrade pip
	@build/constraints/bin/python -m pip --disable-pip-version-check -q install \
	  '.[ftps]' pyasyncore pyasynchat --group test --group check
	@build/constraints/bin/python -m pip freeze --exclude efact-bridge > constraints.txt
	@rm -rf build/constraints
	@git --no-pager diff --stat -- constraints.txt

clean:  ## remove .venv and everything else that was made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
