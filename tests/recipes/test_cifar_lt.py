"""The recipe on the real images: an epoch of the smallest network on the steepest tail."""

import pytest

from longtail.cli import main
from longtail.recipes import cifar10_lt, cifar100_lt
from longtail.runs import RunFolder

OPTIONS = ["--imbalance", "400", "--model", "resnet20-cifar", "--epochs", "1", "--warmup-epochs", "0", "--threads", "1"]


@pytest.mark.slow
def test_an_epoch_on_cifar100_lt(cifar100, tmp_path, capsys):
    command = ["train", "cifar100-lt", "--data", str(cifar100), "--out", str(tmp_path / "run"), *OPTIONS]
    assert main([*command, "--device", "cpu"]) == 0
    folder = RunFolder.open(tmp_path / "run")
    result = folder.result
    assert sum(result["class_counts"]) == 8_445
    assert max(result["class_counts"]) == 500
    assert min(result["class_counts"]) == 1
    assert result["parameters"] == 275_572
    assert result["test"]["raw"]["top1"] > 0.02  # twice chance, after 131 steps
    assert 0.5 < result["theta_slope"] < 1.2
    assert result["theta_correlation"] > 0.9
    assert folder.load_predictions("test")[0].shape == (10_000, 100)
    assert result["fit_on"] == "augmented"
    assert result["test"]["raw"]["top1"] == pytest.approx(folder.metrics[-1]["test_top1"])
    assert "8,445 training samples, resnet20-cifar, gala accumulate=released" in capsys.readouterr().err


def test_every_field_of_the_configuration_is_a_setting():
    assert cifar100_lt(dataset="cifar10", epochs=3) == cifar10_lt(epochs=3)
