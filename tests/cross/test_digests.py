"""Every kernel, and every network made of them, gives the same bits on all instruction sets with a fused multiply-add,
arm64 (emulated) among them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import bits

from fastnn._core import table

ROOT = Path(__file__).parents[2]
PARTS = ("fnn_kernels_*.c", "fnn_quantized*.c", "fnn_dispatch.c")
SOURCES = [path for part in PARTS for path in sorted((ROOT / "csrc").glob(part))]
FLAGS = [
    "-std=gnu11",
    "-O2",
    "-ftree-vectorize",
    "-fvect-cost-model=dynamic",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
]
ARM64 = {"compiler": "aarch64-linux-gnu-gcc", "emulator": "qemu-aarch64"}

NETWORKS = Path(__file__).parent / "networks.py"
# A Python on arm64, run by an emulator, that imports fastnn: tools/arm64.sh makes one.
PYTHON_ON_ARM64 = os.environ.get("FASTNN_PYTHON_ON_ARM64")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "csrc").is_dir(), reason="needs the C sources beside the tests"),
]


def build(compiler, folder, *flags):
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    program = folder / "digests"
    command = [
        compiler,
        *FLAGS,
        *flags,
        f"-I{ROOT / 'csrc'}",
        *map(str, SOURCES),
        str(Path(__file__).parent / "digests.c"),
        "-o",
        str(program),
        "-lm",
    ]
    subprocess.run(command, check=True)
    return program


def digests(*command, **environment):
    output = subprocess.run(
        [*map(str, command)], check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ).stdout
    return dict(line.rsplit(" ", 1) for line in output.splitlines())


def networks(isa):
    return digests(sys.executable, NETWORKS, FASTNN_ISA=isa)


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    return build("cc", tmp_path_factory.mktemp("native"))


def fma_isas():
    return [isa for isa in table.supported_isas() if isa != "base"]


def test_the_digests_see_a_difference(native):
    """Without a fused multiply-add most sums round differently; what rounds once anyway stays the same."""
    if "avx2" not in table.supported_isas():
        pytest.skip("needs AVX2")
    base, avx2 = digests(native, "base"), digests(native, "avx2")
    assert base.keys() == avx2.keys()
    assert len(base) > 100
    different = {name.split("_")[0] for name in base if base[name] != avx2[name]}
    assert different >= {"product", "activation", "loss", "update", "norm", "quantized"}


def test_instruction_sets_of_this_processor_agree(native):
    results = [digests(native, isa) for isa in fma_isas()]
    if len(results) < 2:
        pytest.skip("needs two instruction sets with a fused multiply-add")
    assert all(result == results[0] for result in results)


def test_arm64_agrees(native, tmp_path):
    if not fma_isas():
        pytest.skip("needs an instruction set with a fused multiply-add to compare with")
    if not shutil.which(ARM64["emulator"]):
        pytest.skip(f"needs {ARM64['emulator']}")
    program = build(ARM64["compiler"], tmp_path, "-static")
    assert digests(ARM64["emulator"], program, "base") == digests(native, fma_isas()[-1])


def test_the_networks_see_a_difference():
    if not fma_isas():
        pytest.skip("needs an instruction set with a fused multiply-add")
    base, fma = networks("base"), networks(fma_isas()[0])
    assert len(base) == 14
    assert base.keys() == fma.keys()
    assert not base.items() & fma.items()


@bits.native()
def test_networks_agree_on_instruction_sets_of_this_processor():
    results = [networks(isa) for isa in fma_isas()]
    if len(results) < 2:
        pytest.skip("needs two instruction sets with a fused multiply-add")
    assert all(result == results[0] for result in results)


@bits.native()
def test_networks_agree_on_arm64():
    if not PYTHON_ON_ARM64:
        pytest.skip("needs FASTNN_PYTHON_ON_ARM64, which make arm64 sets")
    if not fma_isas():
        pytest.skip("needs an instruction set with a fused multiply-add to compare with")
    assert digests(PYTHON_ON_ARM64, NETWORKS, FASTNN_ISA="base") == networks(fma_isas()[-1])
