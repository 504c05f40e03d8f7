"""What predictions apply of a finished run on the user's own data."""

from longtail.cli.console import say
from longtail.runs import RunFolder


def say_what_is_served(folder: RunFolder) -> None:
    """Print what was held out, what predictions apply, and what to type next."""
    from longtail.repair import Fix

    if "backbone" in (folder.result or {}):
        say(f"backbone: {(folder.result or {})['backbone']}")
    data = folder.data
    if data is None:
        raise ValueError(
            f"{folder.path} must hold data.json, as a complete run does. Restore it, or train the run again."
        )
    for note in data.get("notes", ()):
        say(f"data: {note}")
    file = folder.fix_path
    served = f"offsets and probabilities of {file} ({Fix.load(file).method})" if file.is_file() else "no fix"
    path, of_features = folder.path, folder.of_features
    say(f"longtail predict applies: {served}")
    say(f"next: longtail report {path}; longtail predict {path} {'TABLE' if of_features else 'IMAGES'}")
