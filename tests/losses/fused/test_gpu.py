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
from types import SimpleNamespace

import torch
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from longtail.losses.fused import Settings, gpu, gpu_rows
from longtail.losses.margins import Margins

POINTERS = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.int64: "*i64"}
compiled = []


class Compiler:
    # Compiles a kernel for the arguments that it is called with, by Triton's rules for their types.
    def __init__(self, kernel):
        self.kernel = kernel

    def __getitem__(self, grid):
        return self

    def __call__(self, *arguments, BLOCK, num_warps):
        named = dict(zip(self.kernel.arg_names, (*arguments, BLOCK), strict=True))
        constants = {name: value for name, value in named.items() if name == "BLOCK" or is_constant(value)}
        types = {name: "constexpr" if name in constants else type_of(value) for name, value in named.items()}
        source = ASTSource(fn=self.kernel, signature=types, constexprs=constants)
        found = compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": num_warps})
        compiled.append(found.asm["cubin"])


def is_constant(value):
    return value is None or (isinstance(value, int) and value == 1)


def type_of(value):
    if isinstance(value, torch.Tensor):
        return POINTERS[value.dtype]
    return "fp32" if isinstance(value, float) else "i32"


gpu.kernels = lambda: SimpleNamespace(
    losses_of_rows=Compiler(gpu_rows.losses_of_rows), gradient_of_rows=Compiler(gpu_rows.gradient_of_rows)
)
for capability, dtype, classes, given, smoothing, reduction in (
    (80, torch.float32, 1000, True, 0.1, "mean"),
    (80, torch.bfloat16, 100_000, False, 0, "none"),  # an integer, as a caller may pass it
    (90, torch.bfloat16, 1000, True, 1, "sum"),
    (90, torch.float32, 1, False, 0.0, "mean"),
):
    vector = torch.ones(classes)
    margins = Margins(vector, vector, vector, torch.ones(4, classes)) if given else Margins()
    logits = torch.zeros(4, classes, dtype=dtype, requires_grad=True)
    settings = Settings(label_smoothing=smoothing, reduction=reduction)
    target = torch.zeros(4, dtype=torch.int64)
    gpu.cross_entropy_on_gpu(logits, target, margins, vector if given else None, settings)[0].sum().backward()
assert len(compiled) == 8
assert all(compiled)
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
