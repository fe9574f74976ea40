# Each goal takes a fresh clone to where it says, alone. Needs python3 (3.10 to 3.13) with venv
# and headers, g++ and git; what is missing is named.
#
#   make demo                          the demo: camera, node, live graph
#   make demo ARGS='--bag FILE'        on your own recording; ARGS go to `spacesgg demo`
#   make test                          ruff, mypy and pytest; ARGS go to pytest
#   make dev                           a virtual environment whose package links to this checkout

PYTHON ?= python3
ARGS ?=
# Installed before what depends on torch. A plain `torch` from PyPI brings CUDA, several GB; where
# pip knows a CPU build of this version (an index or a folder in its configuration) it takes that.
TORCH ?= torch==2.13.0

# What the tests need to skip nothing.
EVERYTHING := ros,demo,torch,train,scenes,generate,parquet,ray,text-metrics,coco,psg,spacy,dev

DEMO := .venv-demo
TEST := .venv
WHEEL := build/wheel
BACKEND := build_backend

# What the compiled part depends on: it is built once, and again only when one of these changes.
INTERFACES := $(wildcard msg/*.msg srv/*.srv action/*.action cmake/*) CMakeLists.txt package.xml \
	pyproject.toml $(BACKEND)/spacesgg_build.py $(wildcard $(BACKEND)/*_requires.txt)
# Everything else is copied.
SOURCES := $(shell find spacesgg_ros training bench models config examples launch rviz -type f \
	-not -path '*/__pycache__/*' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help demo test dev check clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

demo: $(DEMO)/.synced
	@$(DEMO)/bin/spacesgg demo $(ARGS)

test: $(TEST)/.synced
	$(TEST)/bin/ruff check .
	$(TEST)/bin/mypy spacesgg_ros/graph spacesgg_ros/vlm
	$(TEST)/bin/pytest $(ARGS)

dev: $(TEST)/.installed
	$(TEST)/bin/python $(BACKEND)/sync_sources.py --link
	@touch $(TEST)/.synced
	@echo "Ready: . $(TEST)/bin/activate"

check:
	@sh $(BACKEND)/check_machine.sh $(PYTHON)

clean:
	rm -rf build install log $(DEMO) $(TEST)

# --- virtual environments -------------------------------------------------------------------------

# `-C` needs pip 23.1, Debian 12 and Ubuntu 22.04 have older ones.
%/.pip: | check
	$(PYTHON) -m venv $*
	$*/bin/python -m pip install --quiet --upgrade 'pip>=23.1'
	@touch $@

$(WHEEL)/.built: $(INTERFACES) | build/venv/.pip
	@echo "Compiling the messages (about two minutes, once)"
	@rm -rf $(WHEEL)
	build/venv/bin/pip wheel --quiet --no-deps -C ros=kilted --wheel-dir $(WHEEL) .
	@touch $@

$(DEMO)/.installed: $(WHEEL)/.built | $(DEMO)/.pip
	$(DEMO)/bin/pip install --quiet "$$(echo $(WHEEL)/*.whl)[ros,demo]"
	$(DEMO)/bin/pip install --quiet --no-deps --force-reinstall $(WHEEL)/*.whl
	@touch $@

$(TEST)/.installed: $(WHEEL)/.built | $(TEST)/.pip
	$(TEST)/bin/pip install --quiet '$(TORCH)'
	$(TEST)/bin/pip install --quiet "$$(echo $(WHEEL)/*.whl)[$(EVERYTHING)]"
	$(TEST)/bin/pip install --quiet --no-deps --force-reinstall $(WHEEL)/*.whl
	@touch $@

%/.synced: %/.installed $(SOURCES) $(BACKEND)/sync_sources.py
	$*/bin/python $(BACKEND)/sync_sources.py
	@touch $@

.SECONDARY:
