"""Where a queue works and what it may use."""

import json
from dataclasses import dataclass
from pathlib import Path

from longtail.whole_file import write_whole
from pending.copies import copy_of


@dataclass(frozen=True)
class Place:
    """Folders, device and commit of a queue.

    Attributes:
        repository: the checkout whose commits are run; None runs the code of this process as it is.
        commit: that new runs are computed with.
        work: run folders, logs and copies of commits; kept between queues.
        results: where NAME.json files go.
        data: the folder of the data sets, or a pack of images.
        device: cpu or cuda.
        processor: its name; results of two processors differ in their last digits.
        threads: of each worker.
    """

    repository: Path | None
    commit: str
    work: Path
    results: Path
    data: Path | None
    device: str
    processor: str
    threads: int = 1

    def code_of(self, commit: str) -> Path:
        """The folder of the code of a commit.

        Raises:
            ValueError: it can't be had.
        """
        if self.repository is not None:
            return copy_of(commit, self.repository, self.work / "commits")
        if commit != self.commit:
            raise ValueError(f"The code of commit {commit} must be in a repository. There is none.")
        return Path(__file__).parents[2]

    def has(self, commit: str) -> bool:
        """Whether the code of a commit can be had."""
        try:
            return self.code_of(commit).is_dir()
        except ValueError:
            return False

    def fingerprints_of(self, commit: str) -> Path:
        """The folder of the fingerprints of a commit on this processor."""
        name = "".join(sign if sign.isalnum() else "-" for sign in self.processor)
        return self.work / "fingerprints" / commit / name

    def run_of(self, name: str) -> Path:
        """The run folder of an entry."""
        return self.work / "runs" / name

    def log_of(self, name: str) -> Path:
        """What the worker of an entry says."""
        return self.work / "logs" / f"{name}.log"

    def claim_of(self, name: str) -> Path:
        """Locked by the queue that works on an entry."""
        return self.work / "claims" / f"{name}.lock"

    def kept_of(self, name: str) -> Path:
        """The file in the repository that says what became of an entry."""
        return self.results / f"{name}.json"

    def begun_with(self, name: str) -> tuple[str, str] | None:
        """Commit and processor that a run was begun with."""
        file = self.run_of(f"{name}.begun.json")
        try:
            begun = json.loads(file.read_text())
            return begun["commit"], begun["processor"]
        except (OSError, ValueError, KeyError, TypeError):  # missing or damaged
            return None

    def note_begin(self, name: str) -> None:
        """Keep commit and processor of a run that begins."""
        begun = {"commit": self.commit, "processor": self.processor}
        with write_whole(self.run_of(f"{name}.begun.json")) as file:
            file.write(json.dumps(begun).encode())

    def make_folders(self) -> None:
        """Everything that is written into."""
        for folder in (self.work / "runs", self.work / "logs", self.work / "claims", self.results):
            folder.mkdir(parents=True, exist_ok=True)
