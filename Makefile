# make demo and make test are all that a new machine needs: python3 and make, and a C compiler if it has one.
PYTHON ?= python3
VENV   ?= .venv
PY      = $(VENV)/bin/python
PIP     = $(PY) -m pip install --quiet --disable-pip-version-check
# What pyproject.toml lists under these names, for pip.
LISTED  = $(PY) tools/requirements.py
TEST    = $(PY) -m pytest --numprocesses auto --doctest-modules fastnn tests
C_WARNINGS  = -std=gnu11 -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wdouble-promotion -Werror

.PHONY: demo test test-all test-threads torture sanitize arm64 oldest bench peers docs lint check build dist clean

# The environment, with what building, running and the pictures of the demo need.
$(VENV)/ready: pyproject.toml
	@sh tools/prepare.sh $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(LISTED) build run plot | $(PIP) --requirement /dev/stdin
	echo "$(CURDIR)" > $$($(PY) -c "import sysconfig; print(sysconfig.get_path('purelib'))")/fastnn-source.pth
	touch $@

# Likewise with what tests and lint need.
$(VENV)/tested: $(VENV)/ready
	$(LISTED) cli mpi test lint | $(PIP) --requirement /dev/stdin
	touch $@

build: $(VENV)/ready
	$(PY) setup.py --quiet build_ext --inplace

demo: build  ## train a digits classifier and show it
	$(PY) -m fastnn demo --out demo-output

test: build $(VENV)/tested  ## the suite on all cores, doctests included
	$(TEST) -m "not slow" $(ARGS)

test-all: build $(VENV)/tested  ## likewise with the tests that take more than a few seconds each
	$(TEST) $(ARGS)

test-threads: build $(VENV)/tested  ## calls of many threads on one network, over and over
	$(PY) -m pytest -q tests/core/test_pool.py tests/core/test_blas_threads.py tests/test_threads.py \
		tests/training/test_threads_and_pieces.py tests/api $(ARGS)

torture: build $(VENV)/tested  ## what is promised, held to for long: a line of JSON for each part
	$(PY) -m tests.torture $(ARGS)

sanitize: $(VENV)/tested  ## the package compiled with ASan and UBSan, and the suite, or the tests of ARGS, run on it
	sh tools/sanitize.sh $(PY) $(ARGS)

arm64: build $(VENV)/tested  ## the package cross-compiled for arm64, its bits and a part of its tests under an emulator
	sh tools/arm64.sh $(PY) $(ARGS)

oldest: build $(VENV)/tested  ## take the oldest NumPy and SciPy that the package allows into the environment
	$(PIP) "numpy==2.0.*" "scipy==1.13.*"

bench: build $(VENV)/tested  ## time kernels, layers and entry points, then everything beside the installed peers
	$(PY) -m pytest bench --benchmark-sort=name --benchmark-columns=min,median,iqr,rounds $(ARGS)
	$(PY) -m bench $(BENCH)

peers: build  ## install what the side-by-side suite compares with
	$(LISTED) bench | $(PIP) --requirement /dev/stdin

$(VENV)/documented: $(VENV)/tested
	$(LISTED) docs | $(PIP) --requirement /dev/stdin
	touch $@

docs: build $(VENV)/documented  ## the guide and the API reference, all of their code run; warnings are errors
	$(PY) -m pytest -q --doctest-modules fastnn --doctest-glob='*.rst' docs/*.rst docs/howto docs/switching
	OPENBLAS_NUM_THREADS=1 $(PY) -m sphinx --fail-on-warning --keep-going --fresh-env --quiet \
		-d build/docs/doctrees docs build/docs/html
	@echo "build/docs/html/index.html"

lint: build $(VENV)/tested  ## style, types, C warnings and Cython performance hints are errors
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m mypy.stubtest --concise --mypy-config-file pyproject.toml --allowlist tests/typing/stubtest.txt \
		--ignore-disjoint-bases $$(find fastnn/_core -name '*.pyi' | sed 's|/__init__||; s|/|.|g; s|\.pyi$$||')
	$(PY) -m check_jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@mkdir -p build/lint
	$(CC) $(C_WARNINGS) -fsyntax-only csrc/*.c
	$(PY) -m cython -3 -I . -o build/lint/ $$(find fastnn/_core -name '*.pyx') 2>&1 | tee build/lint/log
	@! grep -qE "warning|performance hint" build/lint/log

dist: build  ## source distribution and, from it, the wheel; what they hold, and the wheel by itself in a new environment
	rm -rf dist
	$(PIP) build
	$(PY) -m build --outdir dist . >/dev/null
	$(PY) tests/wheel/contents.py dist/*
	$(PYTHON) tests/wheel/clean_venv.py dist/*.whl

check: lint test  ## what a change must pass

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output
	find fastnn -name '*.so' -delete -o -name '*.c' -delete
