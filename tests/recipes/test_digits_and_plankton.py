"""The two small recipes, from the command line."""

import pytest

from longtail import fit, recipes
from longtail.cli import main
from longtail.runs import RunFolder


@pytest.mark.slow
def test_digits_need_no_data_folder(tmp_path, capsys):
    run = tmp_path / "run"
    command = ["train", "digits-lt", "--loss", "ce", "--out", str(run), "--threads", "1", "--device", "cpu"]
    assert main([*command, "--epochs", "20"]) == 0
    result = RunFolder.open(run).result
    assert result["class_counts"] == [138, 89, 57, 37, 24, 15, 10, 6, 4, 2]
    assert result["test"]["raw"]["balanced_accuracy"] > 0.7
    assert result["test"]["raw"]["many"] > result["test"]["raw"]["few"]
    shown = capsys.readouterr().out
    assert "digits-lt-imbalance50, ce, seed 0" in shown
    assert "many: more than 50 training samples, few: fewer than 10" in shown


@pytest.mark.slow
def test_the_plankton_s_test_set_has_the_tail_too(real_data, tmp_path, capsys):
    run = tmp_path / "run"
    command = ["train", "plankton", "--data", str(real_data / "plankton"), "--out", str(run), "--threads", "1"]
    assert main([*command, "--epochs", "1", "--warmup-epochs", "0", "--batch-size", "256", "--device", "cpu"]) == 0
    result = RunFolder.open(run).result
    assert result["fit_on"] == "validation"
    assert not any("transductive" in treatment for treatment in result["test"])
    assert result["test"]["raw"]["top1"] != result["test"]["raw"]["balanced_accuracy"]
    assert "no transductive rows: the classes of the test set are not of one size" in result["notes"]
    assert "accuracy" in capsys.readouterr().out
    assert main(["evaluate", str(run), "--transductive"]) == 2
    assert "`transductive` must be off" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", [recipes.digits_lt, recipes.cifar10_lt, recipes.imagenet_lt, recipes.features, fit])
def test_a_misspelt_setting_is_named_with_the_nearest(recipe):
    data = {"data": None} if recipe is fit else {}
    with pytest.raises(TypeError, match=f"`{recipe.__name__}` got an unexpected .* 'epoch'. Did you mean 'epochs'"):
        recipe(epoch=1, **data)
