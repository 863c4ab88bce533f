# Every target makes .venv if it is missing; PYTHON chooses the interpreter for it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo studio test test-all test-service parity check fmt bench docs clean

demo: $(VENV)/.core
	$(BIN)/praxino generate "a golden dog plays fetch with a red ball in a sunlit park" -o demo.mp4

studio: $(VENV)/.core
	$(BIN)/python -m pip install --quiet -e ".[serve]"
	$(BIN)/praxino serve

test: $(VENV)/.dev
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow and not system and not gpu"

test-all: $(VENV)/.dev
	.ci/system-programs
	$(BIN)/python -m pytest -q -m "not gpu"

test-service: $(VENV)/.dev
	.ci/system-programs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "slow or system" tests/service tests/test_examples.py

parity: $(VENV)/.dev
	$(BIN)/python -m pytest -q tests/*/test_parity.py tests/generation/test_wan.py tests/generation/test_vace.py tests/*/test_stand_in.py tests/storage/wan tests/storage/weights/test_lora.py

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_surface.py

fmt: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

docs: $(VENV)/.dev
	$(BIN)/python docs/api.py
	$(BIN)/python docs/world.py
	$(BIN)/python docs/gallery.py
	$(BIN)/python docs/edits.py
	$(BIN)/python docs/enhance.py
	$(BIN)/python docs/film.py
	$(BIN)/python docs/studio.py
	$(BIN)/python docs/eye.py

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@ $(VENV)/.core

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist *.egg-info
