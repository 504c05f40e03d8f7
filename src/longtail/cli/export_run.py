"""`longtail export RUN`: the network of a run as ONNX, or as a folder of weights."""

from pathlib import Path

from longtail.cli.console import say


def export_run(
    source: Path,
    onnx: Path | None,
    safetensors: Path | None,
    fix: Path | None,
    *,
    probabilities: bool,
    assume_order: bool,
) -> None:
    """Write the files that were asked for, and print what they contain.

    Args:
        source: the run folder.
        onnx: the file to write, if any.
        safetensors: the folder to write, if any.
        fix: its file; `None` for that of the run, "none" for the network alone.
        probabilities: whether the ONNX file gives probabilities instead of logits.
        assume_order: match the classes of the fix by position if it or the run has no names.
    """
    from longtail.export import RunModel, export_onnx, export_safetensors

    chosen: str | Path | None = "run" if fix is None else fix
    if str(fix) == "none":
        chosen = None
    model = RunModel.open(source, chosen, assume_order=assume_order)
    for note in model.notes:
        say(note)
    if onnx is not None:
        export_onnx(
            model.network,
            onnx,
            model.onnx_input,
            fix=model.fix,
            probabilities=probabilities,
            class_names=model.class_names,
        )
        say(f"onnx: {onnx}, {_described(model.input_shape)} to {_outputs(probabilities, model.fix is not None)}")
    if safetensors is not None:
        export_safetensors(model, safetensors)
        say(f"safetensors: {safetensors}, to logits, the same as PyTorch's; {safetensors / 'README.md'} says how")


def _described(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"features float32 (N, {shape[0]})"
    return f"images uint8 (N, {', '.join(map(str, shape))})"


def _outputs(probabilities: bool, fixed: bool) -> str:
    if probabilities:
        kind = "the probabilities of the fix" if fixed else "probabilities (softmax)"
        return f"class, class_name (the decision) and {kind}, the same as PyTorch's"
    return "logits, the same as PyTorch's"
