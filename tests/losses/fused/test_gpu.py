"""The kernels for a GPU: their values in Triton's interpreter, and that they compile for devices of two generations."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed"),
    pytest.mark.slow,
]

HERE = Path(__file__).parent
CONFIGURATION = HERE.parents[2] / "pyproject.toml"
COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from longtail.losses.fused import gpu_rows

VECTORS = ("factor", "shift", "own", "weight", "each")
NUMBERS = {"stride": "i32", "classes": "i32", "ignored": "i32", "smoothing": "fp32", "upstream_stride": "i32"}


def type_of(name, logits, given):
    if name in ("logits", "gradient"):
        return "*" + logits
    if name == "BLOCK" or (name in (*VECTORS, "divisor") and not given):
        return "constexpr"
    return "*i64" if name == "target" else NUMBERS.get(name, "*fp32")


for kernel in (gpu_rows.losses_of_rows, gpu_rows.gradient_of_rows):
    for logits, given, capability in (("fp32", True, 80), ("bf16", False, 80), ("bf16", True, 90)):
        types = {name: type_of(name, logits, given) for name in kernel.arg_names}
        constants = {name: 1024 if name == "BLOCK" else None for name, kind in types.items() if kind == "constexpr"}
        source = ASTSource(fn=kernel, signature=types, constexprs=constants)
        assert compile(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"]
"""


def run(*command, **variables):
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env={**os.environ, **variables}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_they_compute_what_the_plain_path_computes():
    tests = str(HERE / "gpu_in_interpreter.py")
    out = run("-m", "pytest", "-q", "-c", str(CONFIGURATION), "-p", "no:cacheprovider", tests, TRITON_INTERPRET="1")
    assert " passed" in out
    assert "skipped" not in out


def test_they_compile_without_a_gpu(tmp_path):
    run("-c", COMPILE, TRITON_CACHE_DIR=str(tmp_path))
