# Two commands for everybody: `make run` and `make test`. The rest is listed by `make help`.
#
# .venv/ holds everything that is installed; two stamp files in it say what it was installed for, so
# that a second start installs nothing.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --constraint requirements.txt

HOST ?= 127.0.0.1
PORT ?= 8080
DATA ?= ./data
LOGS ?= beamish/replay/sample.log beamish/replay/crowd.log
BENCHES ?= runtime journal chat curves
# Workers of the test run; "auto" is one for each core.
WORKERS ?= auto
# Who has none left takes half of another's: without that one idled for a fifth of the run.
SPREAD = -n $(WORKERS) --dist worksteal
# COVERAGE=1 makes the test run report it, for half as much time again; CI does.
COVERAGE ?=
PACKAGES := actors supervision storage beamish

.PHONY: help run install test check lint types seams tests coverage test-thorough test-slow test-versions replay-all docs bench bench-docs clean

help:
	@echo 'make run            install, then start a node on http://$(HOST):$(PORT)/ with its data in $(DATA)'
	@echo 'make test           all checks and tests (under 10 minutes on 2 cores)'
	@echo 'make install        only make .venv with the beamish command in it'
	@echo 'make check          the checks without the tests: style, types, imports, seams'
	@echo 'make tests          the tests without the checks; pytest options in ARGS'
	@echo 'make coverage       the tests, and a report of the branches they ran through'
	@echo 'make test-thorough  the tests of properties, each on ten times as many examples'
	@echo 'make test-slow      the tests that take minutes: kills, full disks, crashes (LOGS="..." for others)'
	@echo 'make test-versions  the three libraries under every other Python found here'
	@echo 'make replay-all     play LOGS="..." (both samples) both ways and count: nothing lost, doubled, reordered'
	@echo 'make docs           build the documentation as a site into out/site; warnings are errors'
	@echo 'make bench          every bench, tables on the screen (BENCHES="runtime chat" for some)'
	@echo 'make bench-docs     write docs/benchmarks.md from what make bench measured last'
	@echo 'make clean          remove what was installed and cached (never ./data)'

run: $(VENV)/.installed
	@exec $(BIN)/beamish serve --data $(DATA) --host $(HOST) --port $(PORT)

install: $(VENV)/.installed
	@echo 'The command is $(BIN)/beamish.'

$(BIN)/python:
	@python=$$(sh .ci/find-python) && { "$$python" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; }

$(VENV)/.installed: $(BIN)/python requirements.txt pyproject.toml
	@echo 'Installing Beamish into $(VENV) ...'
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo 'Installing what the tests need into $(VENV) ...'
	@$(PIP) --no-build-isolation --editable '.[test]'
	@touch $@

test: check tests

check: lint types seams

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.installed-test
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing
	$(BIN)/pyright --pythonpath $(BIN)/python

seams: $(VENV)/.installed-test
	$(BIN)/python -m tests.house.seams

tests: $(VENV)/.installed-test
	$(BIN)/pytest $(SPREAD) -m 'not slow' $(if $(COVERAGE),--cov --cov-report=term) $(ARGS)

coverage:
	@$(MAKE) tests COVERAGE=1

test-thorough: $(VENV)/.installed-test
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest $(SPREAD) -m 'hypothesis and not slow' \
		--timeout 1200 $(ARGS)

test-slow: $(VENV)/.installed-test
	$(if $(filter-out file,$(origin LOGS)),BEAMISH_LOGS="$(LOGS)") \
		$(BIN)/pytest -m slow --timeout 3600 $(ARGS)

test-versions:
	@sh .ci/test-versions $(ARGS)

replay-all: $(VENV)/.installed-test
	$(BIN)/python -m tests.house.replay_all $(LOGS) $(if $(ARGS),-- $(ARGS))

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo 'Installing what the documentation needs into $(VENV) ...'
	@$(PIP) --no-build-isolation --editable '.[docs]'
	@touch $@

docs: $(VENV)/.installed-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'The site is in out/site; to read it: $(BIN)/python -m http.server -d out/site'

$(VENV)/.installed-bench: $(VENV)/.installed
	@echo 'Installing what the benches compare with and draw with into $(VENV) ...'
	@$(PIP) --no-build-isolation --editable '.[bench]'
	@touch $@

bench: $(VENV)/.installed-bench
	@mkdir -p out
	@for name in $(BENCHES); do \
		$(BIN)/python -m bench $$name --json out/bench-$$name.json || exit 1; done

bench-docs: $(VENV)/.installed-bench
	@$(BIN)/python -m bench.document out/bench-runtime.json out/bench-journal.json \
		out/bench-chat.json out/bench-curves.json > out/benchmarks.md
	@$(BIN)/python -m bench.plots out/bench-curves.json docs/images
	@mv out/benchmarks.md docs/benchmarks.md

clean:
	rm -rf $(VENV) build out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage *.egg-info
