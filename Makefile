# make demo and make test are all that a new machine needs: python3 and a C compiler.
PYTHON ?= python3
VENV   ?= .venv
PY      = $(VENV)/bin/python
BUILD_NEEDS = "setuptools>=77" "Cython>=3.1.2" "numpy>=2" "scipy>=1.13"
C_WARNINGS  = -std=gnu11 -O2 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wdouble-promotion -Werror

.PHONY: demo test test-threads oldest bench peers docs lint check build dist clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet $(BUILD_NEEDS)
	$(PY) -m pip install --quiet --no-build-isolation --editable ".[cli,test,lint]"
	touch $@

build: $(VENV)/ready
	$(PY) setup.py --quiet build_ext --inplace

demo: build  ## train a digits classifier and show it
	$(PY) -m fastnn demo --out demo-output

test: build  ## the whole suite, doctests included
	$(PY) -m pytest --doctest-modules fastnn tests $(ARGS)

test-threads: build  ## calls of many threads on one network, over and over
	$(PY) -m pytest -q tests/core/test_pool.py tests/core/test_blas_threads.py tests/test_threads.py \
		tests/training/test_threads_and_pieces.py tests/api $(ARGS)

oldest: build  ## take the oldest NumPy and SciPy that the package allows into the environment
	$(PY) -m pip install --quiet "numpy==2.0.*" "scipy==1.13.*"

bench: build  ## time kernels, layers and entry points, then everything beside the installed peers
	$(PY) -m pytest bench --benchmark-sort=name --benchmark-columns=min,median,iqr,rounds $(ARGS)
	$(PY) -m bench $(BENCH)

peers: build  ## install what the side-by-side suite compares with
	$(PY) -m pip install --quiet --no-build-isolation --editable ".[bench]"

$(VENV)/docs: pyproject.toml | build
	$(PY) -m pip install --quiet --no-build-isolation --editable ".[docs]"
	touch $@

docs: build $(VENV)/docs  ## the guide and the API reference, all of their code run; warnings are errors
	$(PY) -m pytest -q --doctest-modules fastnn --doctest-glob='*.rst' docs/index.rst docs/howto docs/switching
	OPENBLAS_NUM_THREADS=1 $(PY) -m sphinx --fail-on-warning --keep-going --fresh-env --quiet \
		-d build/docs/doctrees docs build/docs/html
	@echo "build/docs/html/index.html"

lint: build  ## style, types, C warnings and Cython performance hints are errors
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
	$(PY) -m pip install --quiet build
	$(PY) -m build --outdir dist . >/dev/null
	$(PY) tests/wheel/contents.py dist/*
	$(PYTHON) tests/wheel/clean_venv.py dist/*.whl

check: lint test  ## what a change must pass

clean:
	rm -rf $(VENV) build dist *.egg-info demo-output
	find fastnn -name '*.so' -delete -o -name '*.c' -delete
