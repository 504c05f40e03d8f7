"""`longtail export SOURCE`: a run or an ONNX model with a fix as ONNX, or a fix as code."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from longtail.cli.console import say
from longtail.cli.export_run import export_run
from longtail.cli.output_file import check_new, check_new_folder
from longtail.whole_file import write_whole

if TYPE_CHECKING:
    import numpy as np

Target = Literal["python", "numpy", "sql", "javascript", "sklearn", "onnx"]
OPTIONS = {  # for each kind of source; the first is required, for a run the first or the second
    "a run": ("onnx", "safetensors", "fix", "probabilities", "assume-order"),
    "an ONNX model": ("onnx", "fix", "output", "assume-order", "inputs"),
    "a fix": ("to", "out", "table", "id"),
}


def export(
    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|FILE")],
    *,
    onnx: Path | None = None,
    safetensors: Path | None = None,
    fix: Path | None = None,
    probabilities: bool = False,
    output: str | None = None,
    assume_order: bool = False,
    inputs: Path | None = None,
    to: Target | None = None,
    out: Path | None = None,
    table: str | None = None,
    id_column: Annotated[str | None, tyro.conf.arg(name="id")] = None,
    force: bool = False,
) -> None:
    """Export a trained network (ONNX, safetensors), or a fix (in an ONNX model, or as code).

    longtail export RUN --onnx FILE writes the network of a finished run, which takes images as bytes, or features;
    --safetensors DIR writes weights, the configuration by which timm loads them, and a README. longtail export
    model.onnx --fix fix.json --onnx FILE adds a fix to any ONNX classifier. The outputs of each file are compared
    before it is kept. longtail export fix.json --to python prints code that serves the fix without longtail.

    Args:
        source: A run folder, an ONNX model or a fix.json.
        onnx: The ONNX file to write; it must not exist.
        safetensors: Of a run, the folder to write; it must not exist.
        fix: A fix.json of longtail fix. For a run by default its own, which its predictions apply; none exports the
            network alone. Offsets and temperature go into the last layer.
        probabilities: Of a run, write ONNX with the decision of the fix (class, class_name) and its
            probabilities instead of logits.
        output: Of an ONNX model, the output of logits or probabilities, if several are possible.
        assume_order: Assume that classes of model and fix are in the same order if either does not name them.
        inputs: Of an ONNX model, an npz file with an array for each input, at least 8 samples, to try it on; by default
            they are random.
        to: Of a fix, the language. onnx is a small model from scores to decisions.
        out: Of a fix, the file to write, which must not exist; by default the code is printed.
        table: Of a fix in SQL, the table with one column for each class; predictions by default.
        id_column: Of a fix in SQL, the column that identifies a sample; id by default.
        force: Replace a file that exists; folders never are.
    """
    given = {
        "onnx": onnx,
        "safetensors": safetensors,
        "fix": fix,
        "probabilities": probabilities or None,
        "output": output,
        "assume-order": assume_order or None,
        "inputs": inputs,
        "to": to,
        "out": out,
        "table": table,
        "id": id_column,
    }
    kind = _kind(source)
    if kind == "a fix":
        _check_fix(source)
    _check_options(kind, {name for name, value in given.items() if value is not None}, source)
    read = [path for path in (source, source / "fix.json", fix, inputs) if path is not None]
    for option, path in (("--onnx", onnx), ("--out", out)):
        if path is not None:
            check_new(option, path, force=force, inputs=read)
    if safetensors is not None:
        check_new_folder("--safetensors", safetensors)
    if onnx is not None and safetensors is not None and onnx.absolute() == safetensors.absolute():
        raise ValueError(f"--safetensors must be another path than --onnx. Got {onnx} for both.")
    if kind == "a run":
        export_run(source, onnx, safetensors, fix, probabilities=probabilities, assume_order=assume_order)
    elif kind == "an ONNX model":
        assert onnx is not None
        if fix is None:
            raise ValueError(f"An ONNX model is exported with a fix. Add --fix fix.json; got {source} alone.")
        _export_model(source, onnx, fix, output, assume_order, inputs)
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


def _check_fix(source: Path) -> None:
    from longtail.repair import Fix

    try:
        Fix.load(source)
    except ValueError as error:
        raise ValueError(f"{source} must be a run, an ONNX model (.onnx) or a fix of longtail fix. {error}") from None


def _check_options(kind: str, given: set[str], source: Path) -> None:
    allowed = OPTIONS[kind]
    foreign = sorted(given - set(allowed))
    if foreign:
        raise ValueError(
            f"--{foreign[0]} does not belong to {kind}, which {source} is. "
            f"It takes {', '.join(f'--{name}' for name in allowed)}."
        )
    if kind == "a run":
        if not given & {"onnx", "safetensors"}:
            raise ValueError(f"--onnx FILE or --safetensors DIR is missing: {source} is a run.")
        if "probabilities" in given and "onnx" not in given:
            raise ValueError("--probabilities belongs to --onnx. Weights in safetensors give logits.")
    elif allowed[0] not in given:
        choices = "" if kind != "a fix" else " python, numpy, sql, javascript, sklearn or onnx"
        raise ValueError(f"--{allowed[0]}{choices} is missing: {source} is {kind}.")


def _export_fix(source: Path, to: Target, out: Path | None, names: dict[str, str]) -> None:
    from longtail.export import export_fix_onnx, fix_code
    from longtail.repair import Fix

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
        sys.stdout.write(code)  # class names are escaped already
        return
    with write_whole(out) as file:
        file.write(code.encode())
    say(f"{to}: {out}")


def _export_model(
    source: Path, onnx: Path, fix: Path, output: str | None, assume_order: bool, inputs: Path | None
) -> None:
    from longtail.export import export_fixed_onnx
    from longtail.repair import Fix

    loaded = Fix.load(fix)
    arrays = None if inputs is None else _arrays(inputs)
    written = export_fixed_onnx(source, loaded, onnx, output=output, assume_order=assume_order, inputs=arrays)
    for note in written.notes:
        say(note)
    say(f"{written.decision}, {written.class_name}: the decision; {written.probabilities}: its probabilities")
    say(f"onnx: {onnx}, the same as the model and then the fix")


def _arrays(path: Path) -> "dict[str, np.ndarray]":
    from longtail.array_headers import ArrayFile

    try:
        return dict(ArrayFile(path))
    except (OSError, ValueError) as error:
        raise ValueError(f"--inputs must be an npz file with an array for each input. Got {path}: {error}") from None
