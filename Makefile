# Everything runs in .venv, which is made on the first call. Needs Python 3.11 or newer and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo console test soak mutants check format emulators pictures help

help:
	@echo "make demo       the whole way of 1,000 people, on the embedded database and the emulators"
	@echo "make console    the operators' page on this machine, filled with an invented fortnight"
	@echo "make test       the tests"
	@echo "make soak       a month of hourly runs under a simulated clock, and 1,000 more histories full of faults"
	@echo "make mutants    plant mistakes in a copy, one by one, and see that a test kills each"
	@echo "make check      format, lint, types and the tests (which lint the SQL)"
	@echo "make emulators  an HR API and a Graph on this machine, for func start"
	@echo "make pictures   docs/img/, the operators' page as README shows it (needs a chromium)"

demo: $(READY)
	$(BIN)/python -m tests.demo

console: $(READY)
	$(BIN)/python -m tests.console

# One worker more than a small machine has cores: some tests only wait.
test: $(READY)
	$(BIN)/python -m pytest -n 3

soak: $(READY)
	$(BIN)/python -m tests.soak

mutants: $(READY)
	$(BIN)/python -m tests.mutants

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

emulators: $(READY)
	$(BIN)/python -m provisioning --settings local.settings.example.json migrate
	$(BIN)/python -m tests.emulators

pictures: $(READY)
	$(BIN)/python -m tests.pictures

$(READY): requirements.txt requirements-dev.txt requirements-worker.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.12')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python -r requirements-worker.txt
	touch $@
