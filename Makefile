# What a developer and CI call; everything made is under .venv, .venv-oldest and the caches that `make clean` removes.
#
#   make demo          OpenAI's streaming guide, played against the server with the official SDK
#   make test          the whole suite                         make test ARGS="-k chunks"
#   make coverage      the same, and how much of the code it sees: 95 % of the branches at least
#   make test-oldest   the suite with the oldest versions that the package claims to work with
#   make test-with PYTHON=python3.13    the suite with another Python
#   make serve         the server on http://127.0.0.1:8000/v1  make serve ARGS="--port 0 my.yaml"
#   make fuzz          the property tests alone, with examples without end, for FUZZ_S=120 seconds; prints the seed
#   make matrix        the conformance of every well-known consumer, newest versions; written to docs/conformance*
#   make bench         every benchmark, in under ten minutes; written to docs/performance*       make bench ARGS=--check
#   make check         ruff, ruff format, mypy --strict
#   make format        put the code into the format that `make check` wants
#   make clean         remove all of the above
#
# Versions are those of the constraints files, which CI uses too; `make clean && make test CONSTRAINTS=` takes the newest.

PYTHON ?= python3
ARGS ?=
FUZZ_S ?= 120
CONSTRAINTS ?= .ci/constraints.txt
# One more than there are processors: many a test waits, for a stream's pauses or for a program to start.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN || echo 2) + 1)
PYTEST = -m pytest -n $(WORKERS) --dist worksteal

# Bytecode is kept, whatever the environment says: the suite starts some hundreds of programs, each would compile all anew.
unexport PYTHONDONTWRITEBYTECODE

# What is installed says its stamp; it is installed again only when what it depends on is newer.
BIN := .venv/bin
OLDEST := .venv-oldest/bin
SOURCES := pyproject.toml $(wildcard $(CONSTRAINTS))
DEV := .venv/.installed-dev
NODE := .venv/.installed-node
# The demo needs the SDK alone, and is content with more.
DEMO := $(or $(wildcard $(DEV)),.venv/.installed-demo)

.PHONY: demo test coverage test-oldest test-with fuzz matrix bench serve check format clean
.DELETE_ON_ERROR:

demo: $(DEMO)
	@$(BIN)/mockserver demo $(ARGS)

serve: $(DEMO)
	@$(BIN)/mockserver serve $(ARGS)

test: $(DEV) $(NODE)
	@$(BIN)/python $(PYTEST) $(ARGS)

coverage: override ARGS += --cov --cov-report=term
coverage: test

test-oldest: .venv-oldest/.installed
	@$(OLDEST)/python $(PYTEST) $(ARGS)

test-with: OTHER = .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
test-with:
	$(call make_venv,$(OTHER))
	$(call pip_install,$(OTHER),test,$(CONSTRAINTS))
	@$(OTHER)/bin/python $(PYTEST) $(ARGS)

fuzz: $(DEV) $(NODE)
	@FUZZ_S=$(FUZZ_S) $(BIN)/python -m tests.properties $(ARGS)

matrix: $(DEV)
	@$(BIN)/python -m mockserver.conformance.matrix $(ARGS)

bench: .venv/.installed-bench
	@$(BIN)/python -m benchmarks $(ARGS)

check: $(DEV)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(DEV)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-* .matrix .bench .coverage .coverage.* htmlcov dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call make_venv,FOLDER): a virtual environment, with a clear word where this Python cannot make one.
define make_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo "make: Python 3.11 or newer is needed; $(PYTHON) says: $$($(PYTHON) -V 2>&1). Another: make PYTHON=python3.12" >&2; \
	exit 1; }
@$(PYTHON) -m venv $(1) || { \
	echo "make: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
endef

# $(call pip_install,FOLDER,EXTRAS,CONSTRAINTS); $(call install,…): the same, and what is made is its stamp.
define pip_install
@echo "installing into $(1)"
@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(2)]' $(if $(3),--constraint $(3))
endef

define install
$(call pip_install,$(1),$(2),$(3))
@touch $@
endef

.venv/.installed-demo: $(SOURCES)
	$(call make_venv,.venv)
	$(call install,.venv,openai,$(CONSTRAINTS))

.venv/.installed-bench: $(SOURCES)
	$(call make_venv,.venv)
	$(call install,.venv,bench,$(CONSTRAINTS))

$(DEV): $(SOURCES)
	$(call make_venv,.venv)
	$(call install,.venv,dev,$(CONSTRAINTS))

# One test compares with a parser for node; where there is no npm, it is skipped and says so.
$(NODE): .ci/constraints-node.txt | $(DEV)
	@if command -v npm >/dev/null; then npm install --prefix .venv --no-save --no-audit --no-fund --silent $$(cat $<); fi
	@touch $@

.venv-oldest/.installed: pyproject.toml .ci/constraints-oldest.txt
	$(call make_venv,.venv-oldest)
	$(call install,.venv-oldest,test,.ci/constraints-oldest.txt)
