# `make demo` and `make test` need make, Python 3.11 or newer, and a package index. Everything lands in .venv.
#
#   PYTHON=...    interpreter that creates .venv (default: the first usable of those below)
#   PIP_ARGS=...  further arguments of every `pip install`, such as --find-links FOLDER with a CPU build of torch

PYTHON ?=
PIP_ARGS ?=

CANDIDATES := $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python)
BIN := .venv/bin
RUN := $(BIN)/python -m
INSTALL := $(RUN) pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
RECENT := import sys; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.PHONY: help demo test lint test-real clean
# Two installs into one environment at a time would break it, so `make -j` changes nothing.
.NOTPARALLEL:

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | awk -F': ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: .venv/.installed ## Install, then simulate, train and evaluate into demo/ (no data needed)
	@$(BIN)/atac2rna demo -o demo

test: lint ## Install with the development tools, then check format, style, types and run the offline tests
	@$(RUN) pytest -m "not real"

lint: .venv/.installed-dev ## Check format, style and types
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy

test-real: .venv/.installed-dev ## Run the tests on real data (folder named by ATAC2RNA_TEST_DATA)
	@$(RUN) pytest -m real

clean: ## Remove .venv, demo/ and all caches
	rm -rf .venv demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last: an install that was interrupted leaves none and is done again.
# torch comes first and alone: a CPU build that PIP_ARGS or pip's configuration offers is then taken and kept.
.venv/.installed: pyproject.toml constraints.txt
	@if ! $(BIN)/python -c '' 2>/dev/null; then \
	    found=; \
	    for candidate in $(CANDIDATES); do \
	        if "$$candidate" -c '$(RECENT)' 2>/dev/null; then found=$$candidate; break; fi; \
	    done; \
	    if test -z "$$found"; then \
	        echo "make: Python 3.11 or newer is needed; tried: $(CANDIDATES). Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	    fi; \
	    if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
	        echo "make: $$found lacks the venv module; install it (Debian, Ubuntu: the package python3-venv or python3.11-venv)." >&2; exit 1; \
	    fi; \
	    echo "Creating .venv with $$("$$found" --version)"; \
	    "$$found" -m venv --clear .venv; \
	fi
	@if ! $(BIN)/python -c '$(RECENT)'; then \
	    echo "make: .venv holds $$($(BIN)/python --version), 3.11 or newer is needed; remove it (make clean) and try again." >&2; exit 1; \
	fi
	@$(RUN) pip --version >/dev/null 2>&1 || $(RUN) ensurepip
	$(INSTALL) torch
	$(INSTALL) -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(INSTALL) -e '.[dev]'
	@touch $@
