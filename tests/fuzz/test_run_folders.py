"""Every command that reads a damaged run folder ends in a right result or in one line, and writes nothing elsewhere.

`--fuzz N` tries more damage. A wrong value of the right kind in a JSON file can't be noticed; archives have checksums.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fuzz.damaged_files import damaged
from longtail.cli import main
from longtail.recipes import digits_lt
from longtail.training import run_experiment
from training.own import feature_table
from training.stopping import StopAfterOneEpoch

TRIALS = 60
MACHINE = {"device": "cpu", "precision": "float32", "threads": 1}
OPTIONS = ["--device", "cpu", "--precision", "float32", "--threads", "1"]
CHECKED = ("empty", "random bytes", "cut to", "bits")
"""Damage to an archive that its checksums show."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A complete run on images, one on features, and an interrupted one."""
    out = tmp_path_factory.mktemp("runs")
    inputs, labels = feature_table()
    np.savez(out / "table.npz", features=inputs, labels=labels)
    train = ["train", "digits-lt", "--loss", "ce", "--epochs", "1", "--validation", "0.1", "--record-gradients"]
    assert main([*train, *OPTIONS, "--out", str(out / "images")]) == 0
    assert main(["train", "features", "--data", str(out / "table.npz"), *OPTIONS, "--out", str(out / "features")]) == 0
    with pytest.raises(KeyboardInterrupt):
        run_experiment(
            digits_lt(loss="ce", epochs=2, **MACHINE),
            data=None,
            out=out / "stopped",
            callbacks=[StopAfterOneEpoch()],
            checkpoint_seconds=0.0,
        )
    return out


def commands(kind: str, run: Path) -> list[list[str]]:
    """The commands that read a run of a kind; what they write lies beside it."""
    new, name = str(run.parent / "new"), str(run)
    fix = ["fix", name, "--part", "validation", "--out", new, "--report", "none", "--quiet", "--repeats", "1"]
    always = [
        ["train", "--resume", name],
        ["doctor", name],
        ["evaluate", name],
        ["report", name, "--out", new],
        ["export", name, "--safetensors", new],
        ["retrain", name, "--method", "ncm", "--out", new],
        fix,
    ]
    if kind == "features":
        always += [
            ["evaluate", name, "--data", str(run.parent / "table.npz")],
            ["evaluate", name, "--fix", f"{name}/fix.json"],
            ["export", f"{name}/fix.json", "--to", "python"],
        ]
    return always[:4] if kind == "stopped" else always


@pytest.fixture
def undamaged(runs, tmp_path, capsys):
    """What a command prints for a run that nothing is wrong with."""
    kept = {}

    def printed(kind: str, index: int) -> str:
        if (kind, index) not in kept:
            run = copied(runs, kind, tmp_path)
            assert main(commands(kind, run)[index]) in (0, 1)
            kept[kind, index] = capsys.readouterr().out
        return kept[kind, index]

    return printed


def copied(runs: Path, kind: str, out: Path) -> Path:
    """A fresh copy of a run."""
    shutil.rmtree(out)
    out.mkdir()
    shutil.copy(runs / "table.npz", out)
    return Path(shutil.copytree(runs / kind, out / "run"))


def content_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.slow
def test_damage_ends_in_a_right_result_or_in_one_line(runs, tmp_path, undamaged, capsys, request):
    refused = 0
    for seed in range(request.config.getoption("--fuzz") or TRIALS):
        random = np.random.default_rng(seed)
        kind = ("images", "features", "stopped")[random.integers(3)]
        run = copied(runs, kind, tmp_path)
        files = sorted(run.iterdir())
        file = files[random.integers(len(files))]
        said = damaged(file, random)
        index = int(random.integers(len(commands(kind, run))))
        command, elsewhere = commands(kind, run)[index], content_of(tmp_path / "elsewhere")
        about = f"seed {seed}: {file.name} of {kind}: {said}; longtail {' '.join(command)}"
        try:
            code = main(command)
        except BaseException as error:
            raise AssertionError(f"{about}: {error!r}") from error
        out, err = capsys.readouterr()
        assert code in ((0, 1, 2) if command[0] == "doctor" else (0, 2)), about
        assert not any(word in out + err for word in ("weights_only", "Traceback")), f"{about}\n{err}"
        assert content_of(tmp_path / "elsewhere") == elsewhere, f"{about}: a file elsewhere was changed"
        if code == 2:
            refused += 1
            lines = [line for line in err.splitlines() if line.startswith("longtail: ")]
            assert len(lines) == 1, f"{about}\n{err}"
            assert err.endswith(f"{lines[0]}\n"), f"{about}\n{err}"
        elif file.suffix in (".npz", ".pt") and said.startswith(CHECKED):
            assert out == undamaged(kind, index), about
    assert refused
