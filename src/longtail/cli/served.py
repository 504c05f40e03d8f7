"""What predictions apply of a finished run on the user's own data."""

import os
from pathlib import Path

from longtail.cli.console import say
from longtail.runs import RunFolder

WHY_NO_OFFSETS = {
    "keep": "since they did not improve the decisions on the held-out samples",
    "too few": "since there are too few held-out samples to tell whether they help",
}


def say_what_is_served(folder: RunFolder) -> None:
    """Print what was held out, what predictions apply, and what to type next."""
    if "backbone" in (folder.result or {}):
        say(f"backbone: {(folder.result or {})['backbone']}")
    data = folder.data
    if data is None:
        raise ValueError(
            f"{folder.path} must hold data.json, as a complete run does. Restore it, or train the run again."
        )
    for note in data.get("notes", ()):
        say(f"data: {note.replace(f'{Path.cwd()}{os.sep}', '')}")  # paths as they are typed
    path, of_features = folder.path, folder.of_features
    say(f"longtail predict applies: {_served(folder.fix_path)}")
    say(f"next: longtail report {path}; longtail predict {path} {'TABLE' if of_features else 'IMAGES'}")


def _served(file: Path) -> str:
    from longtail.repair import Fix

    if not file.is_file():
        return "no fix"
    fix = Fix.load(file)
    if fix.moves_decisions:
        return f"offsets and probabilities of {file} ({fix.method})"
    why = WHY_NO_OFFSETS.get(str(fix.evidence.get("verdict")))
    calibrated = f"calibrated probabilities of {file}" if fix.is_calibrated else "no calibration of probabilities"
    return f"no offsets{f', {why}' if why else ''}; {calibrated}"
