# The density model, from data to ONNX: WETREAD_DATA names the data's folder (default ../shared/data).
.PHONY: train-density

train-density: $(TRAIN_VENV)/ready ## train and export the breast density model (an hour on one free core)
	@$(TRAIN_PYTHON) training/breast_density_mg/films.py
	@$(TRAIN_PYTHON) training/breast_density_mg/train.py
	@$(TRAIN_PYTHON) training/breast_density_mg/export.py
