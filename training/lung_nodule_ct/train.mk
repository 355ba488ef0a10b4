# The nodule model, from data to ONNX: WETREAD_DATA names the data's folder (default ../shared/data).
.PHONY: train-lung

train-lung: $(VENV)/ready $(TRAIN_VENV)/ready ## train, judge and export the lung nodule model (about an hour on two cores)
	@$(BIN)/python training/lung_nodule_ct/scans.py
	@$(TRAIN_PYTHON) training/lung_nodule_ct/pool.py
	@$(TRAIN_PYTHON) training/lung_nodule_ct/train.py
	@$(TRAIN_PYTHON) training/lung_nodule_ct/judge.py
	@$(TRAIN_PYTHON) training/lung_nodule_ct/figures.py
	@$(TRAIN_PYTHON) training/lung_nodule_ct/export.py
