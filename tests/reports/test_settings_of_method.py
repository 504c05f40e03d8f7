"""What a table of a comparison says of a method."""

import dataclasses
from types import SimpleNamespace

from longtail.recipes import SECOND_STAGES
from longtail.reports.settings_of_method import settings_of_method
from longtail.training import SecondStageConfig

FIRST = {"folder": "ce-seed0", "config": {"seed": 0}}


def settings_of(method):
    config = dataclasses.asdict(SecondStageConfig(**{"loss": "ce", **SECOND_STAGES[method].settings}))
    return settings_of_method(SimpleNamespace(header={"config": config}, result={"first_stage": FIRST}), {})


def test_every_second_stage_is_told_from_the_others():
    assert len({settings_of(method) for method in SECOND_STAGES}) == len(SECOND_STAGES)
    assert settings_of("balms").startswith("after=ce classifier=new learns=classifier meta_learning_rate=0.01 loss=")
