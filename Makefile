# Everything runs in .venv, which is made on the first call. Needs Python 3.11 or newer and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
TOOLS := .venv/.tools
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
LOCK = $(BIN)/uv pip compile --quiet --generate-hashes $(if $(UPGRADE),--upgrade)

.PHONY: demo console start test soak mutants check format emulators pictures bench bench-large setup lock audit sbom help

help:
	@echo "make demo       the whole way of 1,000 people, on the embedded database and the emulators"
	@echo "make console    the operators' page on this machine, filled with an invented fortnight"
	@echo "make start      the app as Azure runs it: emulators, Azurite and func start, ended together by Ctrl-C"
	@echo "make test       the tests"
	@echo "make soak       a month of hourly runs under a simulated clock, and 1,000 more histories full of faults"
	@echo "make mutants    plant mistakes in a copy, one by one, and see that a test kills each"
	@echo "make check      format, lint (the SQL, too), types and the tests"
	@echo "make emulators  an HR API and a Graph on this machine, without the rest of make start"
	@echo "make bench      every figure of docs/benchmarks.md, measured anew: 10 to 15 minutes on a quiet machine"
	@echo "make bench-large  what grows with the company, of 1,000,000 people: half an hour, 4 GB of memory, 5 GB of disk"
	@echo "make pictures   docs/img/, the pages and reports that README shows (needs a chromium)"
	@echo "make lock       requirements*.txt, with hashes, from requirements*.in (UPGRADE=1: the newest that fit)"
	@echo "make audit      known vulnerabilities of what is locked (asks the package index)"
	@echo "make sbom       dist/sbom.cdx.json, what is deployed as CycloneDX tells it"

demo: $(READY)
	$(BIN)/python -m tests.demo

console: $(READY)
	$(BIN)/python -m tests.console

# ONLY="update_employees": only these functions. DEBUG=1: the worker waits on port 9091 for a debugger. See docs/local.md.
start: $(READY)
	$(BIN)/python -m tests.start $(if $(DEBUG),--debug) $(if $(ONLY),--only $(ONLY))

# Two workers more than a small machine has cores: some tests only wait. What one has compiled is there for the others,
# and for the processes that tests start, also where a machine would have nothing written.
test: export PYTHONDONTWRITEBYTECODE =
test: $(READY)
	$(BIN)/python -m pytest -n 4

soak: $(READY)
	$(BIN)/python -m tests.soak

mutants: $(READY)
	$(BIN)/python -m tests.mutants

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m tests.lint_sql
	$(BIN)/mypy
	$(MAKE) test

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

emulators: $(READY)
	$(BIN)/python -m provisioning --settings local.settings.example.json migrate
	$(BIN)/python -m tests.emulators

bench: $(READY)
	$(BIN)/python -m tests.bench

bench-large: $(READY)
	$(BIN)/python -m tests.bench --large --only ingest --only update --only growth --page docs/benchmarks-large.md

pictures: $(READY)
	$(BIN)/python -m tests.pictures

setup: $(READY)

# For every interpreter from 3.11 on and every system at once. What is locked stays as long as it fits.
lock: $(TOOLS)
	$(LOCK) --universal --python-version 3.11 requirements.in -o requirements.txt
	$(LOCK) --universal --python-version 3.11 requirements-dev.in -o requirements-dev.txt
	$(LOCK) --no-deps --python-version 3.13 requirements-worker.in -o requirements-worker.txt
	$(LOCK) --universal --python-version 3.11 requirements-tools.in -o requirements-tools.txt

audit: $(TOOLS)
	$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r requirements.txt
	$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --require-hashes -r requirements-dev.txt

sbom: $(TOOLS)
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
		--validate -o dist/sbom.cdx.json requirements.txt

$(READY): requirements.txt requirements-dev.txt requirements-worker.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.12')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) -r requirements.txt -r requirements-dev.txt
	$(INSTALL) --no-deps --ignore-requires-python -r requirements-worker.txt
	touch $@

$(TOOLS): $(READY) requirements-tools.txt
	$(INSTALL) -r requirements-tools.txt
	touch $@
