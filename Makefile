# Every target makes its own environment from the lock file, unless the study's own conda
# environment is active.

PARAMS ?= params/quick.yaml
PYTHON3 ?= python3
VENV ?= .venv
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
# Runs at once, and threads for each: together as many as the machine has cores.
JOBS ?= $(shell [ $(CORES) -lt 4 ] && echo $(CORES) || echo 4)
export STUDY_THREADS ?= $(shell expr $(CORES) / $(JOBS) \| 1)
export TF_CPP_MIN_LOG_LEVEL ?= 3
export OMP_NUM_THREADS ?= $(STUDY_THREADS)
# A training step takes and frees much memory. That glibc keeps it, in large pages, saves a sixth of the time.
export MALLOC_TRIM_THRESHOLD_ ?= 16000000000
export MALLOC_MMAP_THRESHOLD_ ?= 8000000000
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1
# TensorFlow leaves oneDNN out on processors without AVX-512, where it saves a quarter of the time too.
export TF_ENABLE_ONEDNN_OPTS ?= 1

ifeq ($(GPU),1)
LOCK := requirements-gpu.lock
JOBS := 1
else
LOCK := requirements.lock
endif

ifeq ($(CONDA_DEFAULT_ENV),unet-dic-hela)
PYTHON := python
READY := $(CONDA_PREFIX)/.$(LOCK).ready
else
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.$(LOCK).ready
endif

.PHONY: help reproduce test report verify compare predict lab data lint clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12
	@echo
	@echo "PARAMS=params/mine.yaml   the params file; results go to outputs/mine"
	@echo "GPU=1                     the CUDA build of TensorFlow"
	@echo "DIC_HELA_DIR=folder       the folder of the images, with 01, 01_ST, 02, 02_ST"

reproduce: $(READY) ## Train what is still to be trained, draw every figure, write the report
	@$(PYTHON) -m lib.run plan $(PARAMS)
	@$(MAKE) --no-print-directory -f outputs/$(basename $(notdir $(PARAMS)))/plan.mk \
		$(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS)) PYTHON=$(PYTHON)
	@echo "the report is outputs/$(basename $(notdir $(PARAMS)))/report.html"

report: $(READY) ## Write the report from the runs that are there, finished or not
	@$(PYTHON) -m lib.run cells $(PARAMS)
	@$(PYTHON) -m lib.run chapters $(PARAMS)
	@$(PYTHON) -m lib.run notebook $(PARAMS) 05_evaluation
	@$(PYTHON) -m lib.run notebook $(PARAMS) 06_report

verify: PARAMS = params/study.yaml
verify: $(READY) ## Compute the committed results again from the committed runs, and compare
	@$(PYTHON) -m lib.run verify $(PARAMS)

compare: $(READY) ## Put A=outputs/x and B=outputs/y side by side on one page
	@$(PYTHON) -m lib.compare "$(A)" "$(B)"

predict: $(READY) ## Find the cells in IMAGE=file or folder, with the network of RUN=folder
	@# With the variable set, TensorFlow says twice that it uses oneDNN.
	@env -u TF_ENABLE_ONEDNN_OPTS $(PYTHON) -m lib.predict "$(IMAGE)" $(if $(RUN),--run "$(RUN)") $(if $(OUT),--out "$(OUT)")

data: $(READY) ## Find or download the images and say what they are
	@$(PYTHON) -m lib.run data $(PARAMS)

lab: $(READY) ## Compute the small example that the notebooks show, and open them in JupyterLab
	@$(MAKE) --no-print-directory reproduce PARAMS=params/smoke.yaml
	$(PYTHON) -m jupyterlab notebooks

test: $(READY) ## Run the tests
	$(PYTHON) -m pytest --cov --cov-report=term

lint: $(READY) ## Check style and formatting
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

# What a user typed is handed on as it is: neither the shell nor Make expands it.
unexport PARAMS
clean: export STUDY_PARAMS := $(value PARAMS)
clean: $(READY) ## Remove the profile's outputs, published ones with FORCE=1 alone
	@$(PYTHON) -m lib.run clean "$$STUDY_PARAMS"

# The environment is made anew for another lock file or a changed one, so that nothing old stays in it.
# A lock file is made by `uv pip compile --universal --generate-hashes --no-strip-extras --no-header
# --python-version 3.11 --extra cpu --extra test pyproject.toml -o requirements.lock` (gpu for cpu). It
# keeps the extras: without them the pip of Python 3.11 overlooks a pin as soon as a newer release is out.
$(VENV)/.$(LOCK).ready: $(LOCK) pyproject.toml
	@$(PYTHON3) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else \
		"error: Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + \
		"; name another with PYTHON3=python3.12")'
	$(PYTHON3) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --require-hashes -r $(LOCK)
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# environment.yml has let conda install the lock file; this makes up for later changes of it.
%/.$(LOCK).ready: $(LOCK) pyproject.toml
	python -m pip install --quiet --require-hashes -r $(LOCK)
	python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
