#!/bin/sh
# The whole package on arm64, on a machine that is not: cross-compiled, its tests run by an emulated Python.
#
#     sh tools/arm64.sh PYTHON [TESTS AND OTHER ARGUMENTS OF PYTEST]
#
# Without arguments: the bits of trained networks beside those of this machine, then the tests of TESTS.
#
# PYTHON is that of an environment with what building and tests need; the same versions are taken for arm64.  CPython for
# arm64 comes from the distribution (Debian, or Ubuntu), NumPy and SciPy from the package index, all of it below
# build/arm64, where it stays for the next time; nothing is installed on the machine.  build/arm64/python is then a
# Python that imports fastnn.
set -eu
# Kernels, products, layers, training, prediction and files.  Left out: what compiles C, and what needs packages that are
# slow to load under an emulator.
LAYERS=tests/layers/test_contract.py
TESTS="tests/core $LAYERS::test_forward_equals_the_twin $LAYERS::test_gradients_against_difference_quotients
    tests/training/test_fit.py tests/training/test_optimizers.py tests/training/test_threads_and_pieces.py
    tests/api/test_predict_one.py tests/formats/test_weights.py tests/formats/test_safetensors.py"
# Forks of a process with threads hang in qemu itself, and a thread of its own among those of /proc is counted in.
NOT_EMULATED="not fork and not test_pool"
cd "$(dirname "$0")/.."
root=$PWD
python=$root/$1
shift
here=$root/build/arm64
sysroot=$here/sysroot

for program in aarch64-linux-gnu-gcc qemu-aarch64 apt-get dpkg-deb; do
    if ! command -v $program >/dev/null; then
        echo "fastnn: the tests on arm64 need $program, found none; on Debian and Ubuntu type:" \
            "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" >&2
        exit 1
    fi
done

# An apt of its own, which believes that nothing is installed and so fetches all that Python needs, down to libc.
fetch_debs() {
    rm -rf "$here/apt" "$sysroot"
    mkdir -p "$here/apt/lists/partial" "$here/apt/archives/partial" "$here/apt/parts" "$sysroot"
    touch "$here/apt/status"
    # Ubuntu keeps arm64 on a server of its own.
    cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/ubuntu.sources 2>/dev/null |
        sed -E 's#https?://(azure\.|[a-z]+\.)?(archive|security)\.ubuntu\.com/ubuntu#http://ports.ubuntu.com/ubuntu-ports#' \
            >"$here/apt/parts/arm64.sources"
    apt() {
        apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= \
            -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$here/apt/parts" \
            -o Dir::State="$here/apt" -o Dir::State::Lists="$here/apt/lists" -o Dir::State::status="$here/apt/status" \
            -o Dir::Cache="$here/apt" -o Dir::Cache::Archives="$here/apt/archives" "$@"
    }
    apt update
    apt install --yes --download-only --no-install-recommends \
        python3-minimal libpython3-stdlib libpython3-dev libstdc++6 >/dev/null
    for package in "$here"/apt/archives/*.deb; do
        dpkg-deb --extract "$package" "$sysroot"
    done
}

[ -e "$here/fetched" ] || fetch_debs
touch "$here/fetched"
version=$(basename "$sysroot"/usr/include/python3.*)
packages=$sysroot/usr/local/lib/$version/dist-packages

# A program that is a Python, for those that the tests start as well.
cat >"$here/python" <<END
#!/bin/sh
exec qemu-aarch64 -L "$sysroot" -0 "$here/python" "$sysroot/usr/bin/$version" "\$@"
END
chmod +x "$here/python"

"$python" -m pip --disable-pip-version-check freeze |
    grep -iE '^(numpy|scipy|safetensors|tqdm|pytest|pytest-xdist|hypothesis|mpmath)==' >"$here/wanted"
if ! cmp -s "$here/wanted" "$here/installed"; then
    rm -rf "$packages"
    "$python" -m pip --quiet --disable-pip-version-check install --target "$packages" --requirement "$here/wanted" \
        --only-binary=:all: --implementation cp --python-version "${version#python}" \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64
    cp "$here/wanted" "$here/installed"
fi

# What distutils asks the running Python, it is to hear from that of arm64; its headers come before those of the other.
mkdir -p "$here/target"
cp "$sysroot/usr/lib/$version/_sysconfigdata__aarch64-linux-gnu.py" "$here/target/"
ln -sfn "$sysroot/usr/include/aarch64-linux-gnu" "$here/target/aarch64-linux-gnu"
rm -rf "$packages/fastnn"
for_arm64() {
    _PYTHON_SYSCONFIGDATA_NAME=_sysconfigdata__aarch64-linux-gnu _PYTHON_HOST_PLATFORM=linux-aarch64 FASTNN_WERROR=1 \
        PYTHONPATH=$here/target \
        CFLAGS="-I$sysroot/usr/include/$version -I$here/target -isystem $packages/numpy/_core/include" \
        "$python" setup.py --quiet "$@"
}
for_arm64 build --build-base "$here/objects" --build-lib "$packages"
for_arm64 build_ext --doors --build-temp "$here/objects/doors" --build-lib "$packages"

# Away from the source, which would be imported in place of what was built.
rm -rf "$here/work"
mkdir "$here/work"
cp -r tests pyproject.toml "$here/work/"
if [ $# -eq 0 ]; then
    FASTNN_PYTHON_ON_ARM64=$here/python "$python" -m pytest -q tests/cross -k networks
    # shellcheck disable=SC2086
    set -- $TESTS -k "$NOT_EMULATED"
fi
cd "$here/work"
exec "$here/python" -m pytest -q --numprocesses "$(nproc)" -m "not slow" -p no:cacheprovider "$@"
