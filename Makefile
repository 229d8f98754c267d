# make demo   a trained and evaluated scene graph model, from nothing; DEMO_SIZE=small takes a few minutes
# make test   lint, then the whole suite with its coverage
# make bench  speed, as ratios to plain references
# make doctor what this machine can do, and what to mend
# make stress 200 kills of trainings, caches, data sets and prototypes, each started again and compared (docs/reliability.md)
# make check-kernels  the CUDA kernels compiled for the CPU, against the C++ ops, with and without sanitizers; minutes
# make check-golden   the whole published model, in all modes, against its published outputs; minutes
# make fuzz   2,000 damaged files of every kind, read by every reader
# make docs   the site of the docs, in output/site
# make env    only the environment in .venv

VENV ?= .venv
PYTHON := $(VENV)/bin/python
BASE_PYTHON ?= python3
DEMO_SIZE ?= full
TEST_WORKERS ?= 2
SGG_SHARED ?= ../shared
export SGG_SHARED

SOURCES := setup.py $(wildcard maskrcnn_benchmark/csrc/*)
# Not compiled to bytecode ahead: Python does that to the small part of these packages that it imports.
INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-compile
# Where there is a CUDA compiler the tests build the CUDA sources too.
TEST_BUILD := $(if $(shell command -v nvcc 2>/dev/null),$(VENV)/.built-cuda,$(VENV)/.built)

.PHONY: env demo test lint bench ablation doctor check-kernels check-golden stress fuzz docs

env: $(VENV)/.built

# Made once, and again only when the requirements change.
$(VENV)/.torch: pyproject.toml
	test -x $(PYTHON) || $(BASE_PYTHON) -m venv $(VENV)
	@echo "Installing PyTorch into $(VENV) (a few gigabytes, minutes on a slow line)"
	$(INSTALL) "setuptools>=77" ninja torch torchvision
	touch $@

# The package and what it needs. The extension: C++ always, CUDA where there is a GPU or FORCE_CUDA=1.
$(VENV)/.built: $(VENV)/.torch $(SOURCES)
	$(INSTALL) --no-build-isolation --editable ".[demo,dev]"
	touch $@

# One architecture, as PTX, which every later GPU reads: the tests need code that compiles, not code for each GPU.
$(VENV)/.built-cuda: export TORCH_CUDA_ARCH_LIST ?= 7.5+PTX
$(VENV)/.built-cuda: $(VENV)/.torch $(SOURCES)
	FORCE_CUDA=1 $(INSTALL) --no-build-isolation --editable ".[demo,dev]"
	touch $(VENV)/.built $@

demo: env
	PATH="$(abspath $(VENV))/bin:$$PATH" bash scripts/demo.sh $(DEMO_SIZE)

lint: env
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check --quiet .
	$(PYTHON) -m mypy

test: $(TEST_BUILD) lint
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest -q --durations=15 --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report

bench: env
	$(PYTHON) -m benchmarks

ablation: env
	$(PYTHON) tools/ablation.py $(ABLATION_FLAGS)

# The page of keys first: it is written from their comments.
docs: env
	$(PYTHON) -m maskrcnn_benchmark.config.reference docs/configuration.md
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict
	@echo "$(CURDIR)/output/site/index.html"

stress: env
	$(PYTHON) -m tests.stress.kills $(STRESS_FLAGS)

fuzz: env
	$(PYTHON) -m tests.fuzz $(FUZZ_FLAGS)

# Also where a build has failed half way: only the environment has to be there.
doctor:
	@test -x $(PYTHON) || $(MAKE) --no-print-directory env
	@PYTHONPATH=$(CURDIR) $(PYTHON) tools/doctor.py $(DOCTOR_FLAGS)

check-kernels: env
	SGG_CHECK_KERNELS=1 $(PYTHON) -m pytest -q -rs tests/gpu_free/test_kernels.py

check-golden: env
	SGG_CHECK_GOLDEN=1 $(PYTHON) -m pytest -q -rs -m golden tests
