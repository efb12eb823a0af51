#!/bin/sh
# What the first `make` on a machine needs beside python3 and make: venv, the headers of Python, a C compiler.
#
#     sh tools/prepare.sh PYTHON
#
# looks for them.  What is missing is installed where that needs no password (root, sudo that asks nothing, Homebrew);
# elsewhere the command to type is printed, and the exit status is 1.
set -u
python=$1
name=${python##*/}

# The names of what this machine lacks.
missing() {
    if ! command -v "$python" >/dev/null; then
        echo "$name"
        return
    fi
    "$python" -c "import ensurepip, venv" 2>/dev/null || echo venv
    include=$("$python" -c "import sysconfig; print(sysconfig.get_path('include'))")
    [ -f "$include/Python.h" ] || echo Python.h
    compiler=${CC:-$("$python" -c "import sysconfig; print(sysconfig.get_config_var('CC') or 'cc')")}
    program=$(mktemp)
    echo "#include <math.h>
          int main(void) { return (int)floor(0.5); }" | $compiler -x c - -o "$program" -lm 2>/dev/null || echo "a C compiler"
    rm -f "$program"
}

# A list in one line.
line() {
    echo "$1" | paste -s -d , - | sed 's/,/, /g'
}

lacks=$(missing)
if [ -n "$lacks" ]; then
    if command -v apt-get >/dev/null; then
        install="apt-get update -qq && apt-get install -y -qq --no-install-recommends $name-venv $name-dev gcc libc6-dev"
    elif command -v dnf >/dev/null; then
        install="dnf install -y -q $name-devel gcc glibc-devel"
    elif command -v apk >/dev/null; then
        install="apk add -q $name-dev gcc musl-dev"
    elif command -v pacman >/dev/null; then
        install="pacman -Sy --noconfirm --needed python gcc"
    elif command -v brew >/dev/null; then
        install="brew install python"
    else
        echo "fastnn: this machine lacks $(line "$lacks"); install that, then try again" >&2
        exit 1
    fi
    as_root="sh -c"
    case $install in
        brew*) ;;
        *) if [ "$(id -u)" -ne 0 ]; then
            as_root="sudo sh -c"
            if ! sudo -n true 2>/dev/null; then
                echo "fastnn: this machine lacks $(line "$lacks"); type: sudo sh -c '$install'" >&2
                exit 1
            fi
        fi ;;
    esac
    echo "fastnn: this machine lacks $(line "$lacks"); $install"
    DEBIAN_FRONTEND=noninteractive $as_root "$install" >/dev/null || exit 1
    lacks=$(missing)
    if [ -n "$lacks" ]; then
        echo "fastnn: $python still lacks $(line "$lacks"); choose another with make PYTHON=/path/to/python3" >&2
        exit 1
    fi
fi
if ! "$python" -c "import sys; sys.exit(sys.version_info < (3, 11))"; then
    echo "fastnn: expected Python 3.11 or later, got $("$python" -V); choose another with make PYTHON=python3.12" >&2
    exit 1
fi
