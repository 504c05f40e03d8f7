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
    in_python = f"longtail.load({str(path)!r}).batch(X)"
    say(f"{in_python if of_features else 'longtail predict'} applies: {served}")
    predict = f"longtail evaluate {path} --data TABLE" if of_features else f"longtail predict {path} IMAGES"
    say(f"next: longtail report {path}; {predict}")
