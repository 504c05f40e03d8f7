"""What every section is told: the device, the data, and whether everything is to be tiny."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from longtail.data.built_in.cifar import Cifar
from longtail.recipes import cifar10_lt, cifar100_lt
from longtail.training import TrainingConfig

TINY = {
    "imbalance": 4.0,
    "model": "resnet8-cifar",
    "batch_size": 16,
    "warmup_epochs": 0,
    "precision": "float32",
    "threads": 1,
}


@dataclass(frozen=True)
class Job:
    """One call of the script.

    Attributes:
        device: "cuda" or "cpu".
        tiny: few images and steps, to try the script itself.
        pack: the packed images.
        work: a folder for run folders and whatever else is not kept.
    """

    device: str
    tiny: bool
    pack: str
    work: str

    @classmethod
    def from_json(cls, text: str) -> "Job":
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def config(self, **settings: Any) -> TrainingConfig:
        """The recipe at imbalance 100 on the device, evaluated at its end only."""
        settings = {"device": self.device, "evaluate_every": 0, **settings}
        return cifar10_lt(**(TINY | settings)) if self.tiny else cifar100_lt(**settings)

    def cifar(self) -> Cifar:
        from packed_images import read_pack

        return read_pack(Path(self.pack))
