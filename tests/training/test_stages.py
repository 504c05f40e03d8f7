"""Stages by name, and the configurations that they bring."""

import dataclasses
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from unittest import mock

import pytest

from longtail.data import SOURCES
from longtail.recipes import digits_lt, second_stage
from longtail.recipes.own_data import scratch
from longtail.training import (
    STAGES,
    OwnConfig,
    OwnSecondStageConfig,
    Scratch,
    SecondStageConfig,
    StageKind,
    TrainingConfig,
    config_from_json,
    run_experiment,
    stored_config,
)
from longtail.training.stages import config_class, find_stage
from training.own import scratch_config, write_photographs


@dataclass(frozen=True, kw_only=True)
class MineConfig(TrainingConfig):
    """The settings of a stage of another package."""

    stage: str = "mine"
    noise: float = 0.5


@pytest.fixture
def mine(monkeypatch):
    monkeypatch.setitem(STAGES, "mine", StageKind(Scratch, (MineConfig,)))


def mine_config(**settings):
    recipe = digits_lt(epochs=1, threads=1, device="cpu")
    kept = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    return MineConfig(**(kept | {"stage": "mine"} | settings))


@pytest.mark.slow
def test_a_stage_brings_its_configuration(mine, tmp_path):
    folder = run_experiment(mine_config(noise=0.25), data=None, out=tmp_path / "run")
    assert folder.header["config"]["noise"] == 0.25
    stored = stored_config(folder)
    assert type(stored) is MineConfig
    assert stored.noise == 0.25
    assert run_experiment(mine_config(noise=0.25), data=None, out=tmp_path / "run", resume=True).result == folder.result
    with pytest.raises(ValueError, match=r"`noise` is 0.25, not 0.5"):
        run_experiment(mine_config(), data=None, out=tmp_path / "run", resume=True)
    retrained = second_stage(folder, "crt", epochs=1)
    assert type(retrained) is SecondStageConfig
    run_experiment(retrained, data=None, out=tmp_path / "crt", first_stage=folder)


def test_a_configuration_of_another_class_is_refused_before_data_are_read(mine, tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "digits", None)  # calling it would fail
    with pytest.raises(ValueError, match='`stage` "mine" needs an `MineConfig`. Got a TrainingConfig'):
        run_experiment(digits_lt(stage="mine"), data=None, out=tmp_path / "run")
    with pytest.raises(ValueError, match='`stage` "scratch" needs an `TrainingConfig`. Got a MineConfig'):
        run_experiment(mine_config(stage="scratch"), data=None, out=tmp_path / "run")
    with pytest.raises(ValueError, match='`stage` must be one for data of the source "own". Got "mine"'):
        config_class("mine", "own")


@pytest.mark.parametrize(
    ("stage", "dataset", "kind"),
    [
        ("scratch", "cifar100", TrainingConfig),
        ("scratch", "own", OwnConfig),
        ("features", "own", OwnConfig),
        ("second-stage", "digits", SecondStageConfig),
        ("second-stage", "own", OwnSecondStageConfig),
    ],
)
def test_the_class_follows_from_stage_and_data(stage, dataset, kind):
    assert config_class(stage, dataset) is kind


def test_an_unknown_stage_is_answered_with_all(mine):
    with pytest.raises(ValueError, match=r"`stage` must be one of .*'scratch'.*'mine'. Got 'their'"):
        config_from_json({"stage": "their", "dataset": "digits"})


def test_another_package_registers_a_stage_by_an_entry_point(monkeypatch):
    module = mock.Mock(kind=StageKind(Scratch, (MineConfig,)))
    monkeypatch.setitem(__import__("sys").modules, "their_package", module)
    found = (EntryPoint("theirs", "their_package:kind", "longtail.stages"),)
    monkeypatch.setattr("longtail.registry.entry_points", lambda **_: found)
    monkeypatch.setattr("longtail.training.stages.STAGES", dict(STAGES))
    assert find_stage("theirs").configs == (MineConfig,)


@pytest.mark.slow
def test_paths_of_own_data_hold_in_another_folder(tmp_path, monkeypatch):
    write_photographs(tmp_path / "photographs")
    lines = [f"{path.relative_to(tmp_path / 'photographs')},{path.stem}\n" for path in tmp_path.glob("*/*/*.png")]
    (tmp_path / "groups.csv").write_text("path,group\n" + "".join(lines))
    monkeypatch.chdir(tmp_path)
    first = run_experiment(scratch_config(groups="groups.csv", epochs=1), data="photographs", out=tmp_path / "run")
    stored = stored_config(first)
    assert isinstance(stored, OwnConfig)
    assert stored.groups == str(tmp_path / "groups.csv")
    assert scratch(groups="groups.csv").located().groups == str(tmp_path / "groups.csv")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "groups.csv").rename(tmp_path / "moved.csv")
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = second_stage(first, "ncm", groups="../moved.csv")
    run_experiment(config, data="../photographs", out="ncm", first_stage=first)
    again = scratch_config(groups="../moved.csv", epochs=1)
    assert run_experiment(again, data="../photographs", out=tmp_path / "run", resume=True).result == first.result
