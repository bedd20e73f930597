# One word per chore; CI calls the same words. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint format proto bench lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

# A stamp each for what running needs and what developing needs. The package is installed without its
# dependencies: the lock has them, each with its hash.
$(VENV)/.demo: requirements/demo.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("stratopt needs Python 3.11 or newer: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what stratopt runs on into $(VENV) (once; a minute or two) ..."
	@$(PIP) install --require-hashes -r requirements/demo.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.demo
	@echo "Installing what stratopt is developed with ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.demo ## Import, backtest and optimise on real bars: make demo [DATA=bars.parquet SYMBOL=BTC/USDT]
	@$(BIN)/stratopt demo $(if $(DATA),--data "$(DATA)") $(if $(SYMBOL),--symbol "$(SYMBOL)")

serve: $(VENV)/.demo ## Start the server on 127.0.0.1:50051
	@$(BIN)/stratopt serve

test: $(VENV)/.dev ## Run every test, on two cores: make test [ARGS="-k words"] [WORKERS=0]
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

lint: $(VENV)/.dev ## Style, types, imports between layers, protos, generated code, sizes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy --strict tests/client/sample_program.py
	@$(BIN)/lint-imports
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code
	@$(BIN)/python protos/generate.py --check
	@$(BIN)/python tests/size_budget.py
	@$(BIN)/python tests/env_example.py --check
	@$(BIN)/hadolint Dockerfile

format: $(VENV)/.dev ## Put code and protos into form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/buf format --write

proto: $(VENV)/.dev ## Generate the Python code of the protos
	@$(BIN)/python protos/generate.py

bench: $(VENV)/.dev ## Measure: make bench [ONLY=sweep_ma_cross]
	@$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

lock: ## Resolve the locks anew (needs uv); they hold hashes and no address
	@uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras \
	  --no-annotate --no-header --quiet pyproject.toml --output-file requirements/dev.txt
	@uv pip compile --universal --python-version 3.11 --generate-hashes --extra demo \
	  --no-annotate --no-header --quiet --constraint requirements/dev.txt pyproject.toml \
	  --output-file requirements/demo.txt
	@uv pip compile --universal --python-version 3.11 --generate-hashes --extra advisor --extra cli \
	  --extra gateway --extra postgres --extra redis --extra server --extra tpe --no-annotate --no-header --quiet \
	  --constraint requirements/dev.txt pyproject.toml --output-file requirements/image.txt

clean: ## Remove the environment and every cache
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
