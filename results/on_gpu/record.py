"""The folder that a GPU leaves: what every section found, the runs that finished, and the log."""

import json
import time
from pathlib import Path
from typing import Any, Self

from json_file import write_json

FILES = ("gpu.json", "runs.json", "log.txt")


class Record:
    """Writes `gpu.json`, `runs.json` and `log.txt`, each after every change; a context that closes the log.

    Args:
        folder: made if it does not exist.
        header: what `gpu.json` says of the call: commit, device and so on.

    Raises:
        FileExistsError: the folder holds a record.
    """

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        taken = [name for name in FILES if (folder / name).exists()]
        if taken:
            raise FileExistsError(f"--out must not hold a record yet. {folder} holds {', '.join(taken)}.")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.begun = folder, time.monotonic()
        self.content: dict[str, Any] = {"schema": 1, **header, "sections": {}}
        self.log = (folder / "log.txt").open("ab")
        self.runs: dict[str, Any] = {}
        self._write("gpu.json", self.content)
        self._write("runs.json", self.runs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.log.close()

    def seconds(self) -> float:
        """Since the record was begun."""
        return round(time.monotonic() - self.begun, 1)

    def say(self, text: str) -> None:
        """A line of the log, also on the terminal."""
        line = f"{self.seconds():6.1f} s  {text}"
        print(line, flush=True)
        self.log.write(f"{line}\n".encode())
        self.log.flush()

    def keep_section(self, name: str, **entries: Any) -> None:
        """Add to what is known of a section."""
        known = self.content["sections"].setdefault(name, {})
        if entries.items() <= known.items():
            return
        known.update(entries)
        self._write("gpu.json", self.content)

    def failed(self) -> list[str]:
        """The sections that ended with an error, and the checks that did not pass."""
        sections = self.content["sections"]
        return [
            name
            for name, section in sections.items()
            if section["state"] == "failed" or section.get("findings", {}).get("passed") is False
        ]

    def keep_runs(self, folder: Path) -> None:
        """Take in the NAME.json files of runs that have finished since."""
        new = [file for file in sorted(folder.glob("*.json")) if file.stem not in self.runs]
        if new:
            self.runs |= {file.stem: json.loads(file.read_text()) for file in new}
            self._write("runs.json", self.runs)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        write_json(self.folder / name, content, indent=1)
