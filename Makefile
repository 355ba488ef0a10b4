# Two commands do all: `make demo` and `make test`. Bare `make` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do $$p -c 'import venv, ensurepip' 2>/dev/null && command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

-include training/venv.mk $(wildcard training/*/*.mk tests/*/*.mk)

.PHONY: chaos chaos-selftest
.PHONY: help setup demo test check lint types imports faults schemas schemas-check structure bench lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

$(VENV)/ready: requirements.lock pyproject.toml
	@bash deploy/local/setup.sh "$(PYTHON)" "$(VENV)"

setup: $(VENV)/ready ## make the environment and fetch Kafka and Triton (once; can be interrupted)
	@$(BIN)/wetread doctor --mend

demo: $(VENV)/ready ## the main job on the real parts: ARGS=--once ends after the table
	@$(BIN)/wetread demo $(ARGS)

test: setup ## all tests, on the real parts too; ARGS=tests/unit/growth for some, as pytest takes them
	@$(BIN)/python -m tests.side_by_side $(ARGS)

check: $(VENV)/ready ## the one definition of clean: style, types, imports, contract, structure, fast tests
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >.lint-imports || { cat .lint-imports; exit 1; }
	@$(BIN)/python schemas/generate.py --check
	@$(BIN)/pytest -q -m "not stack and not shared_data" tests/structure

schemas: $(VENV)/ready ## write schemas/ anew from the code
	@$(BIN)/python schemas/generate.py

faults: $(VENV)/ready ## write the tables of streams/faults/README.md from the code
	@$(BIN)/python -m streams.faults.tables

bench: setup ## speed, as ratios, into tests/bench/README.md
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: setup ## break everything while studies arrive, and verify: SEED=7 MINUTES=5
	@$(BIN)/wetread chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

chaos-selftest: setup ## one protection off at a time: the verifier must find it (ARGS=outbox: that one alone)
	@$(BIN)/python -m streams.chaos.selftest $(ARGS)

lock: $(VENV)/ready ## resolve the dependencies anew (by name, version and hash; no addresses)
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml -o requirements.lock

clean: ## remove the environment and everything that was fetched or written
	@rm -rf $(VENV) .wetread
