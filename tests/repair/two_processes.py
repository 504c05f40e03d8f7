"""What each of the processes that torchrun starts does: `two_processes.py FOLDER`, the cases of `longtail fix`."""

import contextlib
import io
import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch

from longtail.cli import main
from longtail.repair.processes import connected
from longtail.repair.tempering import temperature_of
from longtail.training.ranks import Ranks

NAMES = ("ant", "bee", "cod", "doe", "elk")
BOUNDS = (0, 150, 260, 400)
SUBSAMPLES = {  # so small that temperature and calibration are fitted on a part of the samples
    "longtail.repair.tempering.NUMBERS": 500,
    "longtail.repair.calibration_check.NUMBERS_ENOUGH": 900,
    "longtail.repair.calibration.NUMBERS_ENOUGH": 900,
}

SHARED = {**SUBSAMPLES, "longtail.repair.samples.FEW_NUMBERS": 0}  # subsamples are not gathered

# Of each case the files, options, and constants that are changed.
CASES = {
    "tables": ("tables/*.parquet", ["--repeats", "1"], {}),
    "subsamples": ("tables/*.parquet", ["--repeats", "1"], SUBSAMPLES),
    "subsamples shared": ("tables/*.parquet", ["--repeats", "1"], SHARED),
    "drawn": ("tables/*.parquet", ["--repeats", "1"], SHARED | {"longtail.repair.tempering.NUMBERS": 150}),
    "macro-f1": ("arrays/*.npz", ["--metric", "macro-f1", "--repeats", "1"], {}),
    "cost": ("arrays/*.npz", ["--metric", "cost", "--cost", "cost.json", "--repeats", "1"], SHARED),
    "probabilities": ("text/*.csv", ["--kind", "probabilities", "--repeats", "1"], {}),
    "mapped": ("mapped/*.npy", ["--labels", "labels.txt", "--class-names", ",".join(NAMES), "--repeats", "1"], {}),
    "lists": ("lists/*.parquet", ["--class-names", ",".join(NAMES), "--repeats", "1"], {}),
    "other columns": ("broken/columns/*.parquet", [], {}),
    "empty cell": ("broken/cell/*.parquet", [], {}),
    "unknown label": ("broken/label/*.parquet", [], {}),
    "own class masked": ("broken/masked/*.parquet", [], {}),
    "damaged file": ("broken/damaged/*.parquet", [], {}),
    "no logits": ("text/*.csv", [], {}),
    "other classes": ("broken/classes/*.npz", [], {}),
    "too few labels": ("mapped/*.npy", ["--labels", "few.txt"], {}),
    "one file": ("tables/0.parquet", [], {}),
    "file that exists": ("tables/*.parquet", ["--out", "labels.txt"], {}),
}


def table():
    """Scores of a long-tailed model; the last class is in the last part only."""
    rng = np.random.default_rng(0)
    target = np.sort(rng.permutation(np.repeat(np.arange(5), [180, 100, 60, 40, 20])))
    target[:380] = rng.permutation(target[:380])
    logits = rng.normal(size=(400, 5)) + 2 * np.eye(5)[target] + [2.5, 1.5, 0.8, 0.3, 0.0]
    frame = pd.DataFrame(logits, columns=list(NAMES))
    frame["label"] = np.array(NAMES)[target]
    frame["weight"] = rng.choice([1.0, 2.0], 400)
    frame["group"] = rng.integers(0, 250, 400)
    frame["id"] = np.arange(400)
    return frame


def parts_of(frame):
    return [frame.iloc[start:end].reset_index(drop=True) for start, end in itertools.pairwise(BOUNDS)]


def make(folder):
    """All files of the cases."""
    whole = table()
    whole.to_parquet(folder / "one.parquet")
    _parquet(folder / "tables", parts_of(whole))
    scores, target = whole[list(NAMES)].to_numpy(), np.array([NAMES.index(name) for name in whole["label"]])
    (folder / "labels.txt").write_text("\n".join(whole["label"]))
    (folder / "few.txt").write_text("\n".join(whole["label"][:300]))
    cost = {a: {b: float(a != b) * (1 + 3 * (a == "elk")) for b in NAMES} for a in NAMES}
    (folder / "cost.json").write_text(json.dumps(cost))
    for name in ("arrays", "mapped", "text", "broken/classes"):
        (folder / name).mkdir(parents=True)
    for number, part in enumerate(zip(parts_of(pd.DataFrame(scores)), np.split(target, BOUNDS[1:-1]), strict=True)):
        _arrays(folder, number, part[0].to_numpy(), part[1])
    lists = [part.assign(logits=list(part[list(NAMES)].to_numpy()))[["logits", "label"]] for part in parts_of(whole)]
    _parquet(folder / "lists", lists)
    _broken(folder / "broken", whole)


def _arrays(folder, number, scores, target):
    order = np.roll(np.arange(5), number)  # the columns of each file are in another order
    content = {"logits": scores[:, order], "target": np.argsort(order)[target], "class_names": np.array(NAMES)[order]}
    np.savez(folder / "arrays" / f"{number}.npz", **content)
    content["class_names"] = [f"{name}{number // 2}" for name in NAMES]
    np.savez(folder / "broken/classes" / f"{number}.npz", **content)
    np.save(folder / "mapped" / f"{number}.npy", scores.astype(np.float32 if number else np.float64))
    probability = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    frame = pd.DataFrame(probability.round(3), columns=list(NAMES)).assign(label=np.array(NAMES)[target])
    frame.to_csv(folder / "text" / f"{number}.csv", index=False, sep=";" if number == 2 else ",")


def _broken(folder, whole):
    """Each has its fault in the last part, which the second process reads."""
    changes = {
        "columns": lambda part: part.rename(columns={"bee": "wasp"}),
        "cell": lambda part: part.assign(cod=part["cod"].mask(part.index == 6)),
        "label": lambda part: part.assign(label=part["label"].mask(part.index == 8, "eel")),
        "masked": lambda part: part.assign(**{part["label"][3]: part[part["label"][3]].mask(part.index == 3, -np.inf)}),
        "damaged": lambda part: part,
    }
    for name, change in changes.items():
        parts = parts_of(whole)
        _parquet(folder / name, [*parts[:2], change(parts[2])])
    (folder / "damaged/2.parquet").write_bytes(b"PAR1")


def _parquet(folder, parts):
    folder.mkdir(parents=True)
    for number, part in enumerate(parts):
        part.to_parquet(folder / f"{number}.parquet")


def run(case, out):
    """Exit code, output, errors and seconds of a case; the fix is written to `out`."""
    files, options, constants = CASES[case]
    named = [] if "--out" in options else ["--out", str(out)]
    printed, errors, start = io.StringIO(), io.StringIO(), time.perf_counter()
    with contextlib.ExitStack() as stack:
        for name, value in constants.items():
            stack.enter_context(mock.patch(name, value))
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.redirect_stderr(errors))
        code = main(["fix", files, *options, *named, "--report", "none", "--json", "--quiet"])
    return {
        "code": code,
        "printed": printed.getvalue(),
        "errors": errors.getvalue(),
        "seconds": time.perf_counter() - start,
    }


class UnpicklableError(ValueError):
    def __reduce__(self):
        raise TypeError("it holds a lock")


def exchanges(rank):
    """What `connected` gives, and its errors."""
    with connected(rank, 2) as processes:
        found = {
            "gathered": processes.gathered("rank", rank),
            "concatenated": processes.concatenated("numbers", np.arange(rank, 3)).tolist(),
        }
    for what, work in {
        "steps": lambda processes: processes.gathered(f"step of {rank}", None),
        "error": lambda _: 1 // (1 - rank),
        "unpicklable": lambda _: _raise(UnpicklableError("broken")) if rank else None,
    }.items():
        try:
            with connected(rank, 2) as processes:
                work(processes)
        except Exception as error:
            found[what] = f"{type(error).__name__}: {error}"
    return found


def _raise(error):
    raise error


def die(*_):
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return mock.DEFAULT


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    if "killed" in sys.argv:
        with mock.patch("longtail.repair.diagnosis.temperature_of", wraps=temperature_of, side_effect=die):
            sys.exit(main(["fix", "tables/*.parquet", "--out", "killed.json", "--report", "none", "--quiet"]))
    torch.distributed.init_process_group("gloo")  # once for all cases
    rank = torch.distributed.get_rank()
    ranks = contextlib.nullcontext(Ranks(rank, 2))
    with mock.patch("longtail.training.launched_ranks.launched_ranks", return_value=ranks):
        found = {case: run(case, Path(f"two-{case}.json")) for case in CASES}
    Path(f"rank{rank}.json").write_text(json.dumps({**found, "exchanges": exchanges(rank)}))
    torch.distributed.destroy_process_group()
