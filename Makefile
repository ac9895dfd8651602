# Everything happens in .venv, which is made when first needed; `make` alone says what there is.

PYTHON ?=
VENV := .venv
PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check
# The versions that are tested: the pinned ones, or for `make newest` what is newest now.
PINNED := --require-hashes --requirement requirements.lock
UNPINNED := --editable .[notebooks,test,dev] hatchling editables
# The package itself, and JupyterLab's settings (no pop-up about news or updates).
ITSELF := $(INSTALL) --no-deps --no-build-isolation --editable . \
	&& mkdir -p $(VENV)/share/jupyter/lab/settings \
	&& cp binder/overrides.json $(VENV)/share/jupyter/lab/settings/

# JupyterLab refuses to run as root (in a container, say) unless told to.
LAB_OPTIONS := --log-level=WARN $(if $(filter 0,$(shell id -u)),--allow-root)
# For example: make lab LAB="--no-browser --port 9999"
LAB :=

# A file of tests runs in one process, several files at a time.
PYTEST := $(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
	--nbval --nbval-sanitize-with tests/nbval.cfg
# For example: make test TESTS="tests/test_digest.py -x"
TESTS := tests imgkit $(wildcard notebooks)

.DELETE_ON_ERROR:
.PHONY: help lab test notebooks print lint bench nightly newest oracle claims transcripts lock clean

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name does; do \
		printf '  %-15s %s\n' "$$name" "$$does"; done

lab: $(VENV)/.lab ## open the lessons in JupyterLab
	@$(PY) -m jupyter lab $(LAB_OPTIONS) $(LAB) notebooks/00-start-here.ipynb

test: $(VENV)/.all ## run every test, the notebooks too
	@$(PYTEST) $(TESTS)

notebooks: $(VENV)/.all ## run every notebook again and store its outputs
	@$(PY) tests/run_notebooks.py

print: $(VENV)/.lab ## export the notebooks for paper, into build/print
	@$(PY) .ci/print.py

lint: $(VENV)/.all ## check layout, style and types
	@$(PY) -m ruff format --check --quiet . || { echo "Run: $(PY) -m ruff format ."; exit 1; }
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy

bench: $(VENV)/.all ## measure speed against other programs
	@$(PY) -m benchmarks

nightly: $(VENV)/.all ## run the long checks as well, and write docs/hardness.md
	-@$(INSTALL) uv
	-@$(INSTALL) atheris
	@IMGKIT_NIGHTLY=1 $(PYTEST) --junitxml build/nightly.xml $(TESTS); status=$$?; \
		$(PY) -m benchmarks.hardness build/nightly.xml && exit $$status

newest: ## run every test with the newest versions, not the pinned ones
	@rm -rf build/newest
	@$(MAKE) --no-print-directory VENV=build/newest PINNED="--upgrade $(UNPINNED)" test

oracle: $(VENV)/.all ## hold the overlay against the kernel, at length
	@IMGKIT_ORACLE=2000 $(PY) -m pytest tests/test_kernel.py

claims: $(VENV)/.all ## record anew what the kernel says of every claim
	@$(PY) tests/record_claims.py

transcripts: $(VENV)/.all ## record anew what a Docker engine answers
	@IMGKIT_RECORD=1 $(PY) -m pytest tests/test_transcripts.py -k recordings

lock: $(PY) ## resolve the pinned versions anew
	@$(INSTALL) uv
	@$(PY) .ci/lock.py

clean: ## remove the environment and everything made here
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@python=$$(PYTHON="$(PYTHON)" .ci/find-python) && "$$python" -m venv --clear $(VENV)

$(VENV)/.lab: binder/requirements.txt binder/overrides.json pyproject.toml | $(PY)
	@echo "Installing JupyterLab and imgkit into $(VENV); this takes a minute or two, once."
	@$(INSTALL) --require-hashes --requirement binder/requirements.txt
	@$(ITSELF)
	@touch $@

$(VENV)/.all: requirements.lock binder/overrides.json pyproject.toml | $(PY)
	@echo "Installing imgkit and all its tools into $(VENV); this takes a minute or two, once."
	@$(INSTALL) $(PINNED)
	@$(ITSELF)
	@touch $@ $(VENV)/.lab
