# Two commands on a fresh machine with git, make and Python 3.11 to 3.13: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install demo studio-demo test test-full quick lint format constraints clean

help:
	@echo "make demo         train on the embedded scenes, evaluate, clean a video (2 to 6 minutes)"
	@echo "make studio-demo  label, train and remove in a scripted browser (minutes; needs chromium)"
	@echo "make test         run the test suite (6 to 11 minutes)"
	@echo "make test-full    run it with all cases of the longer proofs"
	@echo "make quick        the tests of the parts: for the minutes between"
	@echo "make lint         ruff, mypy --strict and the file checks of pre-commit"
	@echo "make format       let ruff rewrite what it can"
	@echo "make constraints  resolve the dependencies anew and write constraints.txt"
	@echo "make clean        remove the virtual environment and caches; runs/ stays"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev,all]"
	touch $@

demo: $(STAMP)
	$(BIN)/python -m outtake.programs.demo

studio-demo: $(STAMP)
	$(BIN)/python -m benchmarks.studio.demo

# Tests are compiled once, with what their assertions say, also where nothing else is kept.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4

test: $(STAMP)
	$(PYTEST) --dist loadfile --no-loadscope-reorder -m "not full"

test-full: $(STAMP)
	$(PYTEST) --dist loadfile --no-loadscope-reorder

# What computes and what reads; what trains, encodes or starts programs is in make test.
QUICK := core config data drawing evaluation masking motion training/losses

quick: $(STAMP)
	$(PYTEST) -m "not slow and not full" \
		--ignore=tests/config/test_conf.py \
		tests/test_layers.py $(addprefix tests/,$(QUICK))

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	SKIP=ruff-check,ruff-format,mypy $(BIN)/pre-commit run --all-files

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A fresh environment resolves the newest tree that pyproject.toml allows; only names and versions
# are written down.
constraints:
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install --quiet "torch==2.14.1" "torchvision==0.29.1" ".[dev,all]"
	build/constraints/bin/python -m pip list --format=freeze --exclude outtake --exclude pip \
		--exclude setuptools | sort --ignore-case > constraints.txt
	rm -rf build/constraints

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
