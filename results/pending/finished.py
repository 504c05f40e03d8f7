"""What is kept of a run in the repository: `results/runs/NAME.json`, small, with the commit and the processor.

The file holds the name and the recipe of the entry, configuration, seed and versions as in the run folder, the commit,
the fingerprints (hash of the test logits after one epoch with seed 0 on this processor, by commit), the metrics of each
epoch, and the result, or the `failure` of a run that diverged.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from json_file import write_json
from longtail.losses.catalogue import parse_arguments
from longtail.plain_json import to_json
from longtail.runs import RunFolder
from longtail.training import config_from_json
from pending.entries import Entry
from pending.fingerprint import OF_THE_RUN

SCHEMA = 1


def keep(
    entry: Entry, run: RunFolder, file: Path, commit: str, fingerprints: Mapping[str, str], failure: str | None
) -> None:
    """Write what is kept of a run that is complete, or that diverged where a `failure` is named."""
    content = {
        "schema": SCHEMA,
        "name": entry.name,
        "recipe": entry.recipe,
        **{key: run.header[key] for key in ("config", "seed", "versions")},
        "commit": commit,
        "fingerprints": dict(fingerprints),
        "metrics": run.metrics,
        **({"failure": failure} if failure is not None else {"result": run.result}),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, content)


def read_finished(folder: Path) -> dict[str, dict[str, Any]]:
    """What is kept, by the names of the runs.

    Raises:
        ValueError: a file is damaged or of another version.
    """
    found = {}
    for file in sorted(folder.glob("*.json")):
        try:
            content = json.loads(file.read_text())
            schema = content["schema"]
            known = {"config", "commit"} <= set(content)
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{file} must be a run that the queue kept. It is damaged: delete it.") from None
        if schema != SCHEMA:
            raise ValueError(f"{file} must be of version {SCHEMA}. Got {schema}.")
        if not known:
            raise ValueError(f"{file} must be a run that the queue kept. It is damaged: delete it.")
        found[file.stem] = content
    return found


def of_the_same_row(config: Mapping[str, Any], finished: Mapping[str, Mapping[str, Any]]) -> set[str | None]:
    """The commits of the finished runs that differ from `config` in the seed and the machine only."""

    def settings(stored: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in vars(config_from_json(stored)).items() if name not in OF_THE_RUN}

    return {run["commit"] for run in finished.values() if settings(run["config"]) == settings(config)}


def check_same(entry: Entry, kept: Mapping[str, Any]) -> None:
    """See that a kept run is that of the entry.

    Raises:
        ValueError: a setting differs; the message names each.
    """
    if entry.stage is not None:
        return
    asked, had = json.loads(to_json(dataclasses.asdict(entry.config()))), kept["config"]
    differences = [
        f"`{name}` is {had.get(name)!r}, not {value!r}"
        for name, value in asked.items()
        if name not in (*OF_THE_RUN[1:], "loss_arguments") and value != "auto" and had.get(name, value) != value
    ]
    named, known = (parse_arguments(tuple(config["loss_arguments"])) for config in (asked, had))
    if not named.items() <= known.items():
        differences.append(f"`loss_arguments` are {had['loss_arguments']}, not {asked['loss_arguments']}")
    if differences:
        raise ValueError(
            f"The finished run {entry.name} must be the one that pending.toml describes. In its file "
            f"{'; '.join(differences)}. Give the new run another name, or delete results/runs/{entry.name}.json."
        )
