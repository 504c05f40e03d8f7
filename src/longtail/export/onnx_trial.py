"""Trial runs of an ONNX model on random inputs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from longtail.export.extra import of_the_extra

ROWS = 16
SIDE = 224  # of images whose size is free
LENGTH = 16  # of any other axis that is free
WORDS = ("the", "a", "red", "small", "fish", "house", "runs", "quickly")  # of text inputs
FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


class OnnxTrial:
    """A session of onnxruntime without optimisations, so that nodes that two files share give bit-identical results.

    Args:
        path: of the model.

    Raises:
        ValueError: onnxruntime can't read the model.
    """

    def __init__(self, path: Path) -> None:
        onnxruntime = of_the_extra("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        self.path = path
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # errors of onnxruntime have no common base class
            raise ValueError(f"onnxruntime must be able to read {path}. It says: {error}") from error

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """The named outputs for these inputs.

        Raises:
            ValueError: the model can't be run on these inputs.
        """
        try:
            return dict(zip(outputs, self.session.run(list(outputs), dict(inputs)), strict=True))
        except Exception as error:
            raise ValueError(
                f"{self.path} must run on the inputs that it is tried on ({_described(inputs)}). onnxruntime says: "
                f"{str(error).splitlines()[0]}. Give others: --inputs FILE.npz with an array for each input "
                "(in Python inputs=...)."
            ) from error

    def made_up_inputs(self) -> list[dict[str, np.ndarray]]:
        """Random inputs: a batch of 16 samples and one of 1; for a fixed batch size, batches of that size.

        Raises:
            ValueError: an input of a type for which there are no random values.
        """
        sizes = [given.shape[0] for given in self.session.get_inputs() if given.shape]
        fixed = next((size for size in sizes if isinstance(size, int) and size > 0), None)
        rows = [ROWS, 1] if fixed is None else [fixed] * max(2, -(-ROWS // fixed))
        return [self._made_up(number, np.random.default_rng(seed)) for seed, number in enumerate(rows)]

    def _made_up(self, rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {
            given.name: np.asarray(_values(given.type, _shape(given.shape, rows), rng, given.name))
            for given in self.session.get_inputs()
        }


def _shape(declared: list[Any], rows: int) -> tuple[int, ...]:
    free = SIDE if len(declared) == 4 else LENGTH
    return tuple(
        size if isinstance(size, int) and size > 0 else rows if axis == 0 else free
        for axis, size in enumerate(declared)
    )


def _values(kind: str, shape: tuple[int, ...], rng: np.random.Generator, name: str) -> Any:
    if kind in FLOATS:
        return (3 * rng.normal(size=shape)).astype(FLOATS[kind])
    if kind == "tensor(uint8)":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    if kind == "tensor(bool)":
        return rng.random(shape) < 0.5
    if kind in ("tensor(int64)", "tensor(int32)"):  # 0 and 1 are in any vocabulary, and in any mask
        return rng.integers(0, 2, shape).astype(kind[7:-1])
    if kind == "tensor(string)":
        return np.array([" ".join(rng.choice(WORDS, 4)) for _ in range(int(np.prod(shape)))], object).reshape(shape)
    raise ValueError(
        f"The input {name!r} of type {kind} can't be made up. Give real ones: --inputs FILE.npz (in Python inputs=...)."
    )


def _described(inputs: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name}: {value.dtype} {value.shape}" for name, value in inputs.items())
