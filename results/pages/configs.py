"""Configurations of kept runs, of whatever version, as this version has them."""

import json
from collections.abc import Mapping
from typing import Any

from longtail.plain_json import to_json
from longtail.training import config_from_json


def current(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a kept run with today's names; one that is newer than the run has its default."""
    settings: dict[str, Any] = json.loads(to_json(vars(config_from_json(stored))))
    return settings


def network_name(model: str) -> str:
    """ResNet-32 for resnet32-cifar; other networks by the name that they were asked for with."""
    return f"ResNet-{model.removeprefix('resnet').removesuffix('-cifar')}" if model.endswith("-cifar") else model
