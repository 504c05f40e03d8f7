"""Runs of every kind that can be exported."""

import pytest

from longtail.recipes.second_stages import second_stage
from longtail.training import run_experiment
from training.own import feature_table, features_config, scratch_config, write_photographs
from training.tiny import tiny_cifar10, tiny_config, write_tiny


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Runs by what they were trained on and how."""
    out = tmp_path_factory.mktemp("exported")
    photographs = write_photographs(out / "animals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGTAIL_CACHE", str(out / "cache"))
        timm = features_config(model="test_efficientnet", loss="ce", size=32)
        own = run_experiment(scratch_config(), data=photographs, out=out / "own")
        ncm = second_stage(own, "ncm")
        features = run_experiment(features_config(), data=feature_table(), out=out / "features")
        disalign = second_stage(features, "disalign")
        with tiny_cifar10():
            config = tiny_config(epochs=1, augmentations=())
            cifar = run_experiment(config, data=write_tiny(out / "cifar"), out=out / "tiny")
        return {
            "timm": run_experiment(timm, data=photographs, out=out / "timm"),
            "own network": own,
            "cosine": run_experiment(scratch_config(loss="ldam"), data=photographs, out=out / "cosine"),
            "features": features,
            "second stage": run_experiment(ncm, data=photographs, out=out / "ncm", first_stage=own),
            "calibrated": run_experiment(disalign, data=feature_table(), out=out / "disalign", first_stage=features),
            "cifar": cifar,
        }
