#!/bin/sh
# Tests of fastnn compiled to watch itself: ASan and UBSan in the kernels in C and in all that Cython writes.
#
#     sh tools/sanitize.sh PYTHON [TESTS AND OTHER ARGUMENTS OF PYTEST]
#
# Without arguments, the suite but for what is marked slow and what measures or builds something itself.  The copy that is
# built lies below build/sanitize, where it stays for the next time.  Python takes its memory from malloc, so that what
# lies beside an object is watched too.  Not looked for: leaks, of which CPython leaves some; growth is
# `tests/torture/growth.py`.  No report is suppressed.  Needs GCC and Linux.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
python=$root/$1
shift
here=$root/build/sanitize
: "${CC:=gcc}"

mkdir -p "$here"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp -pu --parents -t "$here"
cd "$here"
FASTNN_INSTRUMENT="-fsanitize=address,undefined" CC=$CC "$python" setup.py --quiet build_ext --inplace

rm -rf reports
mkdir reports
if [ $# -eq 0 ]; then
    set -- tests --ignore=tests/wheel --ignore=tests/docs --ignore=tests/examples --ignore=tests/cross
fi
libraries=
for name in libasan.so libubsan.so libstdc++.so.6; do
    libraries="$libraries $("$CC" -print-file-name=$name)"
done
status=0
LD_PRELOAD=${libraries# } PYTHONMALLOC=malloc PYTHONPATH=$here \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:log_path=$here/reports/address \
    UBSAN_OPTIONS=print_stacktrace=1:log_path=$here/reports/undefined \
    "$python" -m pytest -q -p no:cacheprovider -m "not slow" "$@" || status=$?
found=$(find reports -type f | wc -l)
echo "fastnn: $found reports of the sanitizers"
if [ "$found" -gt 0 ]; then
    cat reports/*
    exit 1
fi
exit $status
