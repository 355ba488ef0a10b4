# The haemorrhage model, from data to ONNX: WETREAD_DATA names the data's folder (default ../shared/data).
.PHONY: train-ich

train-ich: $(TRAIN_VENV)/ready ## train, judge and export the haemorrhage model (some four hours on two cores)
	@$(TRAIN_PYTHON) training/ich_ct/teacher.py
	@$(TRAIN_PYTHON) training/ich_ct/pool.py
	@$(TRAIN_PYTHON) training/ich_ct/train.py --half 0 & first=$$!; \
	 $(TRAIN_PYTHON) training/ich_ct/train.py --half 1 && wait $$first
	@for k in 0 2; do $(TRAIN_PYTHON) training/ich_ct/train.py --fold $$k & first=$$!; \
	 $(TRAIN_PYTHON) training/ich_ct/train.py --fold $$((k + 1)) && wait $$first || exit 1; done
	@for k in 0 2; do $(TRAIN_PYTHON) training/ich_ct/train.py --more --fold $$k & first=$$!; \
	 $(TRAIN_PYTHON) training/ich_ct/train.py --more --fold $$((k + 1)) && wait $$first || exit 1; done
	@$(TRAIN_PYTHON) training/ich_ct/context.py
	@$(TRAIN_PYTHON) training/ich_ct/export.py
	@$(TRAIN_PYTHON) training/ich_ct/judge.py
