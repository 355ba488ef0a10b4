# The haemorrhage model, from data to ONNX: WETREAD_DATA names the data's folder (default ../shared/data).
TRAIN_VENV := .wetread/train-venv
TRAIN_PYTHON := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=$(CURDIR) $(TRAIN_VENV)/bin/python

.PHONY: train-ich

# no dependencies are looked up: the list is whole (torch, the libraries its build is linked to, and the rest)
$(TRAIN_VENV)/ready: training/requirements.txt
	@$(PYTHON) -m venv $(TRAIN_VENV)
	@$(TRAIN_VENV)/bin/pip install --no-deps --require-hashes -r training/requirements.txt
	@touch $@

train-ich: $(TRAIN_VENV)/ready ## train, judge and export the haemorrhage model (some three hours on two cores)
	@$(TRAIN_PYTHON) training/ich_ct/teacher.py
	@$(TRAIN_PYTHON) training/ich_ct/pool.py
	@$(TRAIN_PYTHON) training/ich_ct/train.py --half 0 & first=$$!; \
	 $(TRAIN_PYTHON) training/ich_ct/train.py --half 1 && wait $$first
	@for k in 0 2; do $(TRAIN_PYTHON) training/ich_ct/train.py --fold $$k & first=$$!; \
	 $(TRAIN_PYTHON) training/ich_ct/train.py --fold $$((k + 1)) && wait $$first || exit 1; done
	@$(TRAIN_PYTHON) training/ich_ct/context.py
	@$(TRAIN_PYTHON) training/ich_ct/export.py
	@$(TRAIN_PYTHON) training/ich_ct/judge.py
