"""`longtail export SOURCE`: a run or an ONNX model with a fix as ONNX, or a fix as code."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from longtail.cli.console import say
from longtail.data import DataConfig
from longtail.data.built_in import SIDES
from longtail.repair import Fix
from longtail.runs import RunFolder
from longtail.whole_file import write_whole

Target = Literal["python", "numpy", "sql", "javascript", "sklearn", "onnx"]
OPTIONS = {  # of each kind of source; the first is required
    "a run": ("onnx", "fix", "assume-order"),
    "an ONNX model": ("onnx", "fix", "output", "assume-order", "inputs"),
    "a fix": ("to", "out", "table", "id"),
}


def export(
    source: tyro.conf.Positional[Path],
    *,
    onnx: Path | None = None,
    fix: Path | None = None,
    output: str | None = None,
    assume_order: bool = False,
    inputs: Path | None = None,
    to: Target | None = None,
    out: Path | None = None,
    table: str | None = None,
    id_column: Annotated[str | None, tyro.conf.arg(name="id")] = None,
) -> None:
    """Put a fix into production: in an ONNX model, or as a few lines of code.

    longtail export RUN --onnx FILE writes the network of a finished run, which takes images as bytes; longtail export
    model.onnx --fix fix.json --onnx FILE puts a fix behind any ONNX classifier. Both are tried before they are kept.
    longtail export fix.json --to python prints code that serves the fix without longtail.

    Args:
        source: A run folder, an ONNX model or a fix.json.
        onnx: The ONNX file to write; it must not exist.
        fix: A fix.json of longtail fix. In a run its offsets and temperature go into the last layer.
        output: Of an ONNX model, the output of logits or probabilities, where several could be it.
        assume_order: Take the classes of model and fix to be in the same order where either does not name them.
        inputs: Of an ONNX model, an npz file with an array for each input, at least 8 samples, to try it on; by default
            they are random.
        to: Of a fix, the language. onnx is a small model from scores to decisions.
        out: Of a fix, the file to write, which must not exist; by default the code is printed.
        table: Of a fix in SQL, the table with one column for each class; predictions by default.
        id_column: Of a fix in SQL, the column that identifies a sample; id by default.
    """
    given = {
        "onnx": onnx,
        "fix": fix,
        "output": output,
        "assume-order": assume_order or None,
        "inputs": inputs,
        "to": to,
        "out": out,
        "table": table,
        "id": id_column,
    }
    kind = _kind(source)
    _check_options(kind, {name for name, value in given.items() if value is not None}, source)
    for option, path in (("--onnx", onnx), ("--out", out)):
        if path is not None:
            _check_new(option, path)
    if kind == "a run":
        assert onnx is not None
        _export_run(source, onnx, None if fix is None else Fix.load(fix), assume_order)
    elif kind == "an ONNX model":
        assert onnx is not None
        if fix is None:
            raise ValueError(f"An ONNX model is exported with a fix. Add --fix fix.json; got {source} alone.")
        _export_model(source, onnx, Fix.load(fix), output, assume_order, inputs)
    else:
        assert to is not None
        names = {"table": table, "id_column": id_column}
        _export_fix(source, to, out, {name: value for name, value in names.items() if value is not None})


def _kind(source: Path) -> str:
    if not source.exists():
        raise FileNotFoundError(f"`source` must be a run folder, an ONNX model or a fix.json. {source} is missing.")
    if source.is_dir():
        return "a run"
    return "an ONNX model" if source.suffix.lower() == ".onnx" else "a fix"


def _check_options(kind: str, given: set[str], source: Path) -> None:
    allowed = OPTIONS[kind]
    foreign = sorted(given - set(allowed))
    if foreign:
        raise ValueError(
            f"--{foreign[0]} does not belong to {kind}, which {source} is. "
            f"It takes {', '.join(f'--{name}' for name in allowed)}."
        )
    if allowed[0] not in given:
        choices = "" if kind != "a fix" else " python, numpy, sql, javascript, sklearn or onnx"
        raise ValueError(f"--{allowed[0]}{choices} is missing: {source} is {kind}.")


def _check_new(option: str, path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(f"{option} must not exist yet. Got {path}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{option} must be in a folder that exists. Got {path}.")


def _export_fix(source: Path, to: Target, out: Path | None, names: dict[str, str]) -> None:
    from longtail.export import export_fix_onnx, fix_code

    if names and to != "sql":
        raise ValueError(f"--table and --id belong to --to sql. Got --to {to}.")
    fix = Fix.load(source)
    if to == "onnx":
        if out is None:
            raise ValueError("--to onnx needs --out FILE, the file to write.")
        say(f"onnx: {export_fix_onnx(fix, out)}, scores float32 (N, {len(fix.class_names)}) to class, probabilities")
        return
    code = fix_code(fix, to, source=source.name, **names)
    if out is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")  # code is UTF-8 in any locale: no class name may become "?"
        sys.stdout.write(code)  # its names are escaped by the rules of the language
        return
    with write_whole(out) as file:
        file.write(code.encode())
    say(f"{to}: {out}")


def _export_model(
    source: Path, onnx: Path, fix: Fix, output: str | None, assume_order: bool, inputs: Path | None
) -> None:
    from longtail.export import export_fixed_onnx

    arrays = None if inputs is None else _arrays(inputs)
    written = export_fixed_onnx(source, fix, onnx, output=output, assume_order=assume_order, inputs=arrays)
    for note in written.notes:
        say(note)
    say(f"{written.decision}, {written.class_name}: the decision; {written.probabilities}: calibrated probabilities")
    say(f"onnx: {onnx}, the same as the model and then the fix")


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"--inputs must be an npz file with an array for each input. Got {path}: {error}") from None


def _export_run(source: Path, onnx: Path, fix: Fix | None, assume_order: bool) -> None:
    from longtail.export import export_onnx, match_classes
    from longtail.training.network import trained_network
    from longtail.training.second_stage import stored_config

    folder = RunFolder.open(source)
    network, config = trained_network(folder), stored_config(folder)
    if folder.data and len(folder.data["input_shape"]) == 1:
        raise ValueError(f"`source` must be a run on images to be exported. {source} was trained on features.")
    shape = tuple(folder.data["input_shape"]) if folder.data else _shape_of_an_older_run(config)
    names = folder.data["class_names"] if folder.data else None
    if fix is not None:
        fix, how = match_classes(fix, len(network.classifier.weight), names, str(source), assume_order=assume_order)
        say(how)
    export_onnx(
        network,
        onnx,
        image_shape=shape,
        mean=config.mean,
        std=config.std,
        fix=fix,
        class_names=names if fix is None else fix.class_names,
    )
    say(f"onnx: {onnx}, images uint8 (N, {', '.join(map(str, shape))}) to logits, the same as PyTorch's")


def _shape_of_an_older_run(config: DataConfig) -> tuple[int, int, int]:
    """Of a run that was kept before run folders told."""
    side = SIDES[config.dataset] // config.shrink
    return len(config.mean), side, side
