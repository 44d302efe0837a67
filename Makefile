# `make run` and `make test` set up what they need first. Everything lands in .venv; nothing outside the project changes,
# but for the Debian packages that Qt needs, which are installed only by root (otherwise they are named).

PYTHON ?= python3
VENV := .venv
BENCH_VENV := .venv-bench
PY := $(VENV)/bin/python
# Whether windows can open: X11, Wayland, or a system that always has a screen.
SCREEN := $(strip $(DISPLAY)$(WAYLAND_DISPLAY)$(filter-out Linux,$(shell uname -s)))
# More arguments for the program that a target starts: make run ARGS="slices.h5", make test ARGS="tests/readings -x"
ARGS ?=

.PHONY: help setup run test bench lint format docs pictures clean
.DEFAULT_GOAL := help

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1  \t/p' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## the virtual environment with everything that run and test need
	@scripts/system-packages

run: setup ## napari with the bundled sample, read by the bundled model; without a screen, pictures of it in out/
ifeq ($(SCREEN),)
	@echo "There is no screen: drawing on a virtual one, and saving what it shows to out/"
	scripts/with-screen $(PY) -m napari_ambiseg --save out $(ARGS)
else
	$(PY) -m napari_ambiseg $(ARGS)
endif

test: setup ## every test
	scripts/run-tests $(ARGS)

bench: $(BENCH_VENV)/.ready ## speed and memory against the goals and other packages; ARGS="sampling" for one, "--quick" to try
	@scripts/system-packages
	$(BENCH_VENV)/bin/python -m benchmarks $(ARGS)

lint: $(VENV)/.ready-dev ## style, types and the floors of the house
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/pyright

format: $(VENV)/.ready-dev ## mends what can be mended without thinking
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs: $(VENV)/.ready-docs ## the handbook as web pages in docs/_build/html
	$(PY) -m sphinx -q -W --keep-going -b html docs docs/_build/html

pictures: setup ## every picture of the viewer's guide anew; ARGS="looking" for one scene; look at them before you commit them
	scripts/with-screen $(PY) docs/pictures $(ARGS)

clean: ## takes away what was set up; results in out/ stay
	rm -rf $(VENV) $(BENCH_VENV) docs/_build .pytest_cache .ruff_cache .hypothesis

# A stamp is newer than the two files that say what is installed, or setting up is due again.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PY) -c 'import pip' 2>/dev/null || scripts/create-venv $(PYTHON) $(VENV)
	$(PY) -m pip install -c constraints.txt -e ".[all,test]"
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(PY) -m pip install -c constraints.txt -e ".[all,dev]"
	@touch $@

$(VENV)/.ready-docs: $(VENV)/.ready
	$(PY) -m pip install -c constraints.txt -e ".[all,docs]"
	@touch $@

# The packages that are compared with never enter the environment that the plugin runs in.
$(BENCH_VENV)/.ready: pyproject.toml constraints.txt benchmarks/requirements.txt
	@$(BENCH_VENV)/bin/python -c 'import pip' 2>/dev/null || scripts/create-venv $(PYTHON) $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -c constraints.txt -e ".[all,fast,train]"
	@for peer in $$(sed 's/#.*//' benchmarks/requirements.txt); do \
	  $(BENCH_VENV)/bin/python -m pip install -q -c constraints.txt "$$peer" || echo "benchmarks do without $$peer"; done
	@touch $@
