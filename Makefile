# Every target makes its own environment; nothing has to be installed by hand but Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
COMPILED := .venv/.compiled
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help env ready system lint test demo soak rows peers autokeras bench docker-check clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST)

env: $(STAMP)  ## .venv with the package, all its extras and the development tools

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gradfleet needs Python 3.11 or later, got " + sys.version)'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (once; a few minutes on a fresh machine)" >&2
	@$(PIP) install --no-compile --constraint constraints.txt torch
	@$(PIP) install --no-compile --constraint constraints.txt --editable '.[dev,explain,export,plots,postgresql,service,trackers,trainers]'
	@touch $@

# What pip would do with one core. Else a test that imports a module first would fail over a warning of the compiler's.
# Templates among the files are no Python, so compileall ends with 1.
$(COMPILED): $(STAMP)
	@$(BIN)/python -W ignore -m compileall -qq --workers 0 .venv/lib >/dev/null || true
	@touch $@

# The one thing that tests use beside Python packages; without it those that need it are skipped.
DEBIAN := chromium postgresql slurmctld slurmd slurm-client munge iproute2
CONTAINERS := buildah debootstrap iproute2

# $(call install,packages,what follows when they cannot be installed)
define install
	@if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && ! dpkg --status $(1) >/dev/null 2>&1; then \
		echo "Installing $(1)" >&2; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get update -qq && apt-get install -qq --no-install-recommends $(1); } >/dev/null 2>&1 \
			|| echo "They could not be installed: $(2)" >&2; \
	fi
endef

ready:
	@$(MAKE) --no-print-directory --jobs=2 system $(COMPILED)

system:  ## what tests use from Debian (Chromium, PostgreSQL, Slurm, iproute2), where it can be installed
	$(call install,$(DEBIAN),their tests are skipped.)

lint: env  ## style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test:  ## everything that must hold: style, types, layers, then the tests, those that start Ray last
	@$(MAKE) --no-print-directory --jobs=3 system lint $(COMPILED)  # side by side: one waits while others compute
	@$(BIN)/pytest -m "not ray" --numprocesses 2 --dist worksteal
	@$(BIN)/pytest -m ray --numprocesses 2 --dist loadfile

demo: env  ## the main job on real handwritten digits
	@$(BIN)/python examples/digits_demo.py

soak: ready  ## what takes over a minute, or is repeated for statistics, in full length
	@$(BIN)/pytest -m "soak or long" --soak

rows: ready  ## the feature table: ID, state, test
	@mkdir -p build
	@$(BIN)/pytest --rows=build/rows.txt > build/rows.log 2>&1; \
	case $$? in 0|1|5) cat build/rows.txt ;; *) cat build/rows.log >&2; exit 1 ;; esac

peers: env build/peers/.installed  ## other trainers, for benchmarks/loop.py to measure beside ours

build/peers/.installed: benchmarks/peers/requirements.txt
	@rm -rf build/peers
	@$(PIP) install --no-deps --target build/peers --requirement benchmarks/peers/requirements.txt
	@touch $@

autokeras: env build/autokeras/.installed  ## AutoKeras 3 on our torch, for benchmarks/presets.py to measure beside ours

build/autokeras/.installed: benchmarks/peers/autokeras.txt
	@rm -rf build/autokeras
	@$(PIP) install --no-deps --target build/autokeras --requirement benchmarks/peers/autokeras.txt
	@touch $@

bench: env  ## every benchmark
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

docker-check: env  ## the CPU image is built with buildah, and runs: commands, a sweep, a head with a worker; needs root
	$(call install,$(CONTAINERS),docker-check says what is missing.)
	@$(BIN)/python docker/check.py

clean:  ## away with everything that was made
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
