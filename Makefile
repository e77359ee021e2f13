# Every target sets itself up: a virtual environment in .venv, installed once from constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PARTS := packages/core packages/encoders packages/heads packages/kernels examples/emoji
# glibc gives large tensors back to the system after every step; keeping them halves the time of training on a CPU
MEMORY := MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=67108864
POCKET ?= examples/emoji/src/diptych_emoji/weights/pocket

.PHONY: help demo test lint fix types floors docs checks packages pocket scores quick clean

help: ## List what can be made.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): constraints.txt requirements-dev.txt scripts/setup.sh $(addsuffix /pyproject.toml,$(PARTS))
	@PYTHON="$(PYTHON)" sh scripts/setup.sh $(PARTS)

demo: $(STAMP) ## Ask and paint with the pocket model; writes out/demo/report.html.
	@$(MEMORY) $(BIN)/python -m diptych_emoji.demo --out out/demo

test: $(STAMP) ## Run the default test suite.
	@$(MEMORY) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP) ## Check style.
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

fix: $(STAMP) ## Mend style.
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types: $(STAMP) ## Check types.
	@$(BIN)/mypy $(addsuffix /src,$(PARTS))

floors: $(STAMP) ## Check that packages import only what lies below them.
	@$(BIN)/lint-imports

docs: $(STAMP) ## Write docs/reference.md from the registry.
	@$(BIN)/python scripts/write_reference.py

checks: $(STAMP) ## Write docs/checks.md: what `diptych check` prints of the named models (minutes).
	@$(BIN)/python scripts/write_checks.py

packages: $(STAMP) ## Build each wheel, install it alone in an empty environment, run its own tests there.
	@$(BIN)/python scripts/test_packages.py

pocket: $(STAMP) ## Train the pocket model from nothing (about five hours of two shared cores; resumes).
	@$(MEMORY) $(BIN)/diptych train emoji-pocket-recipe --out runs/pocket
	@echo "scores: make scores POCKET=runs/pocket/model"

scores: $(STAMP) ## Measure the table in the README from the shipped weights.
	@$(MEMORY) $(BIN)/diptych eval $(POCKET) emoji-suite

quick: $(STAMP) ## Train all stages in a few minutes, as CI does.
	@$(MEMORY) $(BIN)/diptych train emoji-quick-recipe --out runs/quick

clean: ## Remove the environment and everything made.
	@rm -rf .venv out runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
