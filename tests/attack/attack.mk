# What tries to break it: stateful tests at length, mutated files, hostile peers. Loopback only.
STEPS ?= 1000000
COUNT ?= 10000
MINUTES ?= 20
SEED ?= 1
FUZZ_PACKAGES := .wetread/fuzz-packages

.PHONY: machines fuzz fuzz-parsers attack

machines: $(VENV)/ready ## the stateful tests at length: STEPS=1000000 SEED=n
	@$(BIN)/python -m tests.attack.machines --steps $(STEPS) --seed $(SEED)

fuzz: $(VENV)/ready ## mutated DICOM files through both doors and the flow: COUNT=10000 SEED=n
	@$(BIN)/python -m tests.attack.fuzz --count $(COUNT) --seed $(SEED)

$(FUZZ_PACKAGES)/ready: pyproject.toml $(VENV)/ready
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --target $(FUZZ_PACKAGES) --group fuzz
	@touch $@

fuzz-parsers: $(FUZZ_PACKAGES)/ready ## each parser of ours under atheris: MINUTES=20 in all
	@PYTHONPATH=$(FUZZ_PACKAGES) $(BIN)/python -m tests.attack.parsers --minutes $(MINUTES) --seed $(SEED)

attack: $(VENV)/ready ## hostile peers against a door, as a table: ARGS names attacks
	@$(BIN)/python -m tests.attack $(ARGS)
