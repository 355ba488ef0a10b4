# The environment of training and evidence: its packages are pinned by digest.
TRAIN_VENV := .wetread/train-venv
TRAIN_ENVIRONMENT := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=$(CURDIR)
TRAIN_PYTHON := $(TRAIN_ENVIRONMENT) $(TRAIN_VENV)/bin/python

# no dependencies are looked up: the list is whole (torch, the libraries its build is linked to, and the rest)
$(TRAIN_VENV)/ready: training/requirements.txt
	@$(PYTHON) -m venv $(TRAIN_VENV)
	@$(TRAIN_VENV)/bin/pip install --no-deps --require-hashes -r training/requirements.txt
	@touch $@
