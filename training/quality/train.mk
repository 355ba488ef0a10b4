# The classifier of body parts, from the real series at hand and painted limbs: WETREAD_DATA names the data's folder.
.PHONY: fit-quality

fit-quality: $(VENV)/ready ## fit the body-part classifier of the quality rules and judge it on patients left out (a minute)
	@OMP_NUM_THREADS=1 PYTHONPATH=$(CURDIR) $(BIN)/python training/quality/fit.py
