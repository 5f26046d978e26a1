# Every target makes its own environment first: Python 3.11+ with venv is all that needs to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV_VERSION := 0.13.9

# Bytecode is written once, and not made anew by every worker of the tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo drill test test-region test-region-long test-real-controllers check docs format changelog lock upgrade clean

## The whole relocation on the tabletop, in memory: seconds, as any user, anywhere.
demo: $(READY)
	$(BIN)/hcp-dr-lab drill --tabletop

## The whole relocation in a real region: needs Linux and root. Builds the programs once, which takes a while.
drill: $(READY) region-programs
	$(BIN)/hcp-dr-lab drill

## Everything that needs no root, no network and no built programs.
test: $(READY)
	$(BIN)/pytest -n auto --dist loadfile -m "not real_parts" tests --ignore=tests/region

## The tests in the real region, and the contract of what plays a part in memory with what is real: Linux and root.
test-region: $(READY) region-programs
	HCP_DR_LAB_REGION_REQUIRED=1 $(BIN)/pytest -v -m "not long and not in_memory" tests/contract tests/region

## The longer stories in the real region: for whoever changed what they are about.
test-region-long: $(READY) region-programs
	HCP_DR_LAB_REGION_REQUIRED=1 $(BIN)/pytest -v -m long tests/region

## With the real Cluster API and AWS provider: the contract of the played ones, and relocations. Builds both once.
WITH_REAL_CONTROLLERS := $(addprefix tests/region/test_,real_controllers.py resume.py)
test-real-controllers: $(READY) region-programs
	HCP_DR_LAB_REGION_REQUIRED=1 HCP_DR_LAB_CONTROLLERS=real $(BIN)/pytest -v -m "not in_memory" tests/contract/machines $(WITH_REAL_CONTROLLERS)

## Style, types, layers, words.
check: $(READY)
	$(BIN)/ruff format --check src tests bench tools
	$(BIN)/ruff check src tests bench tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/prose.py

## What of the documents is made from the code.
docs: $(READY)
	$(BIN)/python -c 'from hcp_dr.report import exit_codes; print(exit_codes.document(), end="")' > docs/exit-codes.md
	$(BIN)/python -c 'from hcp_dr.report import timeouts; print(timeouts.document(), end="")' > docs/timeouts.md

format: $(READY)
	$(BIN)/ruff format src tests bench tools
	$(BIN)/ruff check --fix src tests bench tools

## Collect changes.d/ into CHANGELOG.md.
changelog: $(READY)
	$(BIN)/python tools/changelog.py

## Pin what the ranges of pyproject.toml ask for; pins that fit stay. `upgrade` takes the newest of each range.
COMPILE := uv pip compile --system-certs pyproject.toml --extra lab --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header -q -o requirements.lock
lock: $(READY)
	$(BIN)/$(COMPILE)

upgrade: $(READY)
	$(BIN)/$(COMPILE) --upgrade

clean:
	rm -rf $(VENV)

.PHONY: programs
# What the region runs, built if it is missing. A second builder of the same user waits for the first.
programs: $(READY)
	$(BIN)/python -c 'from hcp_dr_lab.tools import binaries; binaries.find(print)'

.PHONY: region-programs
# The distribution's runc and CNI plugins; only root can install them.
region-programs:
	@sh src/hcp_dr_lab/tools/host-packages.sh

$(READY): requirements.lock pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip sync --system-certs --quiet --require-hashes --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --system-certs --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	touch $(READY)
