# Every target makes its own environment from the lock file, unless the study's own conda
# environment is active.

PARAMS ?= params/quick.yaml
PYTHON3 ?= python3
VENV ?= .venv
# Threads of a run, and what keeps a training step fast: that glibc keeps memory, in large pages, saves
# a sixth of the time; TensorFlow leaves oneDNN out on processors without AVX-512, where it saves more.
export STUDY_THREADS ?= 1
export OMP_NUM_THREADS ?= $(STUDY_THREADS)
export TF_NUM_INTRAOP_THREADS ?= $(STUDY_THREADS)
export TF_NUM_INTEROP_THREADS ?= 1
export MALLOC_TRIM_THRESHOLD_ ?= 16000000000
export MALLOC_MMAP_THRESHOLD_ ?= 8000000000
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1
export TF_ENABLE_ONEDNN_OPTS ?= 1
export TF_CPP_MIN_LOG_LEVEL ?= 3

# What a user typed is handed on as it is: neither Make nor the shell expands it.
unexport PARAMS IMAGE RUN OUT PIXEL A B JOBS CLUSTER FORCE
MAKEOVERRIDES =
export STUDY_PARAMS := $(value PARAMS)
export STUDY_IMAGE := $(value IMAGE)
export STUDY_RUN := $(value RUN)
export STUDY_OUT := $(value OUT)
export STUDY_PIXEL := $(value PIXEL)
export STUDY_B := $(value B)
export STUDY_JOBS := $(value JOBS)
export STUDY_CLUSTER := $(value CLUSTER)
export STUDY_FORCE := $(value FORCE)

LOCK := $(if $(filter 1,$(GPU)),requirements-gpu.lock,requirements.lock)
ifeq ($(CONDA_DEFAULT_ENV),unet-dic-hela)
PYTHON := python
READY := $(CONDA_PREFIX)/.$(LOCK).ready
else
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.$(LOCK).ready
# A half-made environment is made again.
ifeq ($(wildcard $(PYTHON)),)
.PHONY: $(READY)
endif
endif
STUDY := $(PYTHON) -m lib.page.commands

.PHONY: help reproduce report verify compare predict data lab test bench lint clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12
	@echo
	@echo "PARAMS=params/mine.yaml   the params file; results go to outputs/mine"
	@echo "DIC_HELA_DIR=folder       the folder of the images, with 01, 01_ST, 02, 02_ST"
	@echo "JOBS=4                    runs at once"
	@echo "GPU=1                     the CUDA build of TensorFlow"
	@echo "CLUSTER=slurm             each run as a job of a SLURM cluster (params/slurm)"

reproduce: $(READY) ## Train what is still to be trained, draw every figure, write the report
	@$(STUDY) reproduce

report: $(READY) ## Write the report from the runs that are there, finished or not
	@$(STUDY) report

# What is published is what is checked, unless another profile is named.
verify: export STUDY_PARAMS := $(if $(filter file,$(origin PARAMS)),params/study.yaml,$(value PARAMS))
verify: $(READY) ## Compute the published tables again from the runs, and compare
	@$(STUDY) verify

compare: export STUDY_PARAMS := $(value A)
compare: $(READY) ## Put the results of A and B side by side, as in A=quick B=mine
	@$(STUDY) compare

predict: $(READY) ## Find the cells in IMAGE=file or folder; PIXEL= µm a pixel, RUN= another network, OUT= a folder
	@$(PYTHON) -m lib.predict

data: $(READY) ## Find or download the images, open every file once, and say what they are
	@$(STUDY) data

lab: $(READY) ## Open the notebooks in JupyterLab
	@$(PYTHON) -m jupyterlab notebooks

test: $(READY) ## Run the tests
	@$(PYTHON) -m pytest

bench: $(READY) ## Print figures of speed: a step, the share of training, the seconds of nothing to do
	@$(PYTHON) tests/bench.py

lint: $(READY) ## Check style, formatting, and that rooms import one way
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m pytest -q tests/test_rooms.py

clean: $(READY) ## Remove the outputs of PARAMS; published ones with FORCE=1 alone
	@$(STUDY) clean

# The environment is made anew for another lock file or a changed one, so that nothing old stays in it.
# A lock file is made by `uv pip compile --universal --generate-hashes --no-strip-extras --no-header
# --python-version 3.11 --extra cpu --extra test pyproject.toml -o requirements.lock` (gpu for cpu). It
# keeps the extras: without them the pip of Python 3.11 overlooks a pin as soon as a newer release is out.
$(VENV)/.$(LOCK).ready: $(LOCK) pyproject.toml
	@$(PYTHON3) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else \
		"error: Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + \
		"; name another with PYTHON3=python3.12")'
	$(PYTHON3) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-compile --require-hashes -r $(LOCK)
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# environment.yml has let conda install the lock file; this makes up for later changes of it.
%/.$(LOCK).ready: $(LOCK) pyproject.toml
	python -m pip install --quiet --no-compile --require-hashes -r $(LOCK)
	python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
