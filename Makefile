# Everything a newcomer needs: `make serve` and `make check`. Both set themselves up.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
UV := .venv/bin/uv
export VIRTUAL_ENV := $(CURDIR)/.venv
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# uv does not read pip's settings: pass on what the machine says of its package sources.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
# With no index or link folder named, let uv choose torch builds by the machine: CPU where there is no GPU.
ifeq ($(strip $(UV_FIND_LINKS)$(UV_DEFAULT_INDEX)$(UV_INDEX_URL)$(UV_INDEX)),)
export UV_TORCH_BACKEND ?= auto
endif

.PHONY: help setup serve prepare image check fmt lint type test e2e soak fuzz bench docs vendor lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.dev  ## everything for development: server, training, promotion, checks

serve: .venv/.serve  ## set up, pull the pinned models, serve them on port 8000
	@serve $(ARGS)

prepare: .venv/.serve  ## pull, verify and build what `serve` needs, then stop
	@serve prepare

image:  ## build the container image, with docker or buildah, and tell its size layer by layer
	@PYTHON=$(PYTHON) deploy/image/build.sh $(ARGS)

check: lint type test  ## lint, types and every test: what CI runs

fmt: .venv/.dev  ## format and fix what can be fixed
	ruff format . && ruff check --fix .

lint: .venv/.dev
	ruff format --check . && ruff check . && lint-imports

type: .venv/.dev
	mypy

test: .venv/.dev .venv-clients/.done
	TEST_SLACK=5 pytest -m "not e2e" --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 12

e2e: .venv/.dev .venv/.remotes .venv-clients/.done  ## the long forms of the promises
	pytest -m "e2e and not timed" --numprocesses 2 --dist loadfile --no-loadscope-reorder
	pytest -m timed

bench: .venv/.dev .venv-bench/.done  ## Pinion beside mlflow, mosec and an empty server; writes docs/benchmarks.md
	python -m benchmarks $(ARGS)

soak: .venv/.dev  ## load, switches and kills for MINUTES=n; writes docs/reliability/soak.svg
	python -m tests.chaos.soak $(or $(MINUTES),5)

fuzz: .venv/.dev  ## a million inputs for each parser of what others send, with how many a second
	python -m tests.fuzz $(ARGS)

docs: .venv/.dev  ## regenerate the pages made from code, and build the site of all pages in site/
	for page in settings options routes errors metrics; do python docs/generate_$$page.py > docs/$$page.md || exit 1; done
	python deploy/grafana/source/generate.py > deploy/grafana/pinion.json
	python -m tests.types.page > docs/types.md
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

vendor:  ## put what the console takes from npm into the package, and format the console's files; needs npm
	@cd vendor && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@cp vendor/node_modules/uplot/dist/uPlot.iife.min.js vendor/node_modules/uplot/dist/uPlot.min.css serve/front/console/vendored/
	@cp vendor/node_modules/uplot/LICENSE serve/front/console/vendored/LICENSE.uPlot.txt
	@cd serve/front/console/vendored && sha256sum LICENSE.uPlot.txt uPlot.iife.min.js uPlot.min.css > SHA256SUMS
	@vendor/node_modules/.bin/prettier --log-level warn --print-width 120 --write 'serve/front/console/assets/*.{js,css}'

lock: .venv/.uv  ## resolve requirements/*.txt anew (plain name==version lines, no addresses)
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --extra signing --extra tracing pyproject.toml \
	  -o requirements/serve.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --extra dev -c requirements/serve.txt pyproject.toml \
	  -o requirements/dev.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links --extra remotes --extra gs --extra azure \
	  -c requirements/serve.txt -c requirements/dev.txt pyproject.toml -o requirements/remotes.txt
	@printf '%s\n' kserve 'tritonclient[http,grpc]' openapi-python-client | \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links - -o requirements/clients.txt
	@printf '%s\n' mlflow==3.17.2 torch==2.13.0 scikit-learn | \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links -c requirements/dev.txt - -o requirements/bench-mlflow.txt
	@printf '%s\n' mlflow==3.17.2 torch==2.13.0 scikit-learn orjson mosec==0.9.8 | \
	  $(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	  --no-emit-index-url --no-emit-find-links -c requirements/dev.txt - -o requirements/bench-mosec.txt
	@# torch names its CUDA libraries itself, exactly, where they are wanted
	@sed -i -E '/^(nvidia-|cuda-|triton)/d' requirements/dev.txt requirements/bench-*.txt

clean:  ## remove what was built here (never models.dvc, remote/ or mlflow.db)
	rm -rf .venv .venv-clients .venv-bench .bench .pinion site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/.uv: requirements/uv.txt
	@command -v git >/dev/null || { echo "Pinion needs git on PATH, and found none: install git and run make again." >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "Pinion needs Python 3.11 or newer as '$(PYTHON)': install it, or run make PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Pinion needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1): run make PYTHON=python3.11 (or newer)." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "'$(PYTHON)' has no venv module: install it (on Debian and Ubuntu: apt install python3-venv) and run make again." >&2; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/uv.txt
	@touch $@

.venv/.serve: .venv/.uv requirements/serve.txt pyproject.toml
	@echo "Setting up the server in .venv"
	@$(UV) pip install --quiet --compile-bytecode -r requirements/serve.txt
	@$(UV) pip install --quiet --no-deps -e .
	@touch $@

.venv/.dev: .venv/.serve requirements/dev.txt
	@echo "Setting up the tools for training, promotion and checks in .venv"
	@$(UV) pip install --quiet --compile-bytecode -r requirements/dev.txt
	@touch $@

# DVC's way to remotes elsewhere, and what stands for those in tests.
.venv/.remotes: .venv/.dev requirements/remotes.txt
	@echo "Setting up the tools for remotes elsewhere in .venv"
	@$(UV) pip install --quiet --compile-bytecode -r requirements/remotes.txt
	@touch $@

# Other people's clients, which the tests run against the server: they need other versions of what we use ourselves.
.venv-clients/.done: .venv/.uv requirements/clients.txt
	@echo "Setting up the clients that the tests use in .venv-clients"
	@$(UV) venv --quiet --allow-existing --python '>=3.11,<3.14' .venv-clients
	@$(UV) pip install --quiet --python .venv-clients/bin/python -r requirements/clients.txt
	@touch $@

# What the benchmark compares with, each in an environment of its own. The load comes from wrk.
.venv-bench/.done: .venv/.uv requirements/bench-mlflow.txt requirements/bench-mosec.txt
	@command -v wrk >/dev/null || { echo "The benchmark needs wrk on PATH: install it (on Debian and Ubuntu: apt install wrk)." >&2; exit 1; }
	@for peer in mlflow mosec; do \
	  echo "Setting up $$peer in .venv-bench/$$peer"; \
	  $(UV) venv --quiet --allow-existing --python '>=3.11,<3.12' .venv-bench/$$peer && \
	  $(UV) pip install --quiet --python .venv-bench/$$peer/bin/python -r requirements/bench-$$peer.txt || exit 1; \
	done
	@touch $@
