# The figures of the cards: WETREAD_DATA names the data's folder (default ../shared/data); ARGS names one model.
JUDGED = $(or $(filter-out -%,$(ARGS)),$(notdir $(patsubst %/cases.py,%,$(filter-out training/evidence/%,$(wildcard training/*/cases.py)))))

.PHONY: evidence

evidence: $(TRAIN_VENV)/ready ## compute every figure of the models' cards anew: ARGS=<model> for one
	@for model in $(JUDGED); do \
	  $(TRAIN_PYTHON) -m training.evidence.main $$model $(filter -%,$(ARGS)) || exit 1; \
	done
