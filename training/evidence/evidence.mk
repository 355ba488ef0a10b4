# The figures of the cards: WETREAD_DATA names the data's folder (default ../shared/data); ARGS names one model.
# Two models at a time, each on one core; what is kept below training/<model>/runs/ is taken by its digest.
JUDGED = $(or $(filter-out -%,$(ARGS)),$(notdir $(patsubst %/cases.py,%,$(filter-out training/evidence/%,$(wildcard training/*/cases.py)))))

.PHONY: evidence

evidence: $(TRAIN_VENV)/ready ## compute the figures of the models' cards where something changed: ARGS=<model>, --anew, --quick
	@printf '%s\n' $(JUDGED) | $(TRAIN_ENVIRONMENT) xargs -P 2 -I MODEL \
	  $(TRAIN_VENV)/bin/python -m training.evidence.main MODEL $(filter -%,$(ARGS))
