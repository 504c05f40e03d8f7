"""Names and probabilities for new samples."""

import numpy as np
import pytest
import torch
from PIL import Image

import longtail
from auto.photographs import COLOURS, write_photographs
from longtail.recipes import digits_lt
from longtail.training import run_experiment


@pytest.fixture(scope="module")
def predictor(trained):
    return longtail.load(trained.path)


@pytest.mark.slow
def test_an_image_gets_the_name_of_its_class_and_probabilities_that_add_up_to_one(predictor):
    for name, colour in COLOURS.items():
        found = predictor(Image.new("RGB", (30, 20), colour))
        assert found[0][0] == name
        assert sum(probability for _, probability in found) == pytest.approx(1)
        assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)


def test_files_arrays_tensors_and_images_give_the_same(predictor, tmp_path):
    pixels = np.full((20, 24, 3), COLOURS["red deer"], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    samples = [pixels, Image.fromarray(pixels), torch.from_numpy(pixels).permute(2, 0, 1)]
    expected = predictor.probabilities([str(tmp_path / "a.png")])
    np.testing.assert_allclose(predictor.probabilities(samples), np.repeat(expected, 3, axis=0), atol=1e-6)


def test_kept_test_logits_are_those_of_the_predictor(trained, predictor, photographs):
    files = [photographs / name for name in trained.data["held_out"]["held_out"]["test"]]
    kept, _ = trained.load_predictions("test")
    ours = predictor.logits(sorted(files, key=lambda file: str(file.relative_to(photographs)))).numpy()
    assert len(ours) == len(kept)
    assert sorted(ours.argmax(1).tolist()) == sorted(kept.argmax(1).tolist())
    assert np.abs(np.sort(ours, axis=0) - np.sort(kept, axis=0)).max() < 0.1 * np.abs(kept).max()


def test_top_classes_and_no_sample_at_all(predictor, photographs):
    files = sorted(photographs.rglob("*.jpg"))[:3]
    assert [len(classes) for classes in predictor.batch(files, top=2)] == [2, 2, 2]
    assert predictor.probabilities([]).shape == (0, 3)


@pytest.mark.slow
def test_what_does_not_fit_is_refused(predictor, trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.jpg must be an image file. It is missing"):
        predictor("nothing.jpg")
    run = run_experiment(digits_lt(epochs=1, device="cpu", threads=1), data=None, out=tmp_path / "digits")
    (run.path / "fix.json").write_bytes((trained.path / "fix.json").read_bytes())
    with pytest.raises(ValueError, match="must be of the classes of the run. It is of others"):
        longtail.load(run.path)
    (run.path / "fix.json").unlink()
    (run.path / "data.json").unlink()
    with pytest.raises(ValueError, match="must hold data.json, which holds the class names"):
        longtail.load(run.path)


def test_features_of_another_number_are_refused(tmp_path):
    features = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    run = longtail.fit(
        (features, np.repeat(["a", "b"], 20)), out=tmp_path / "run", epochs=2, batch_size=8, device="cpu", threads=1
    )
    with pytest.raises(ValueError, match=r"must hold 3 features each, .* Got the shape \(2, 4\)"):
        longtail.load(run.path).batch(np.zeros((2, 4)))


def test_other_data_are_scored_by_the_names_of_their_classes(predictor, tmp_path):
    from longtail.auto import evaluate_on

    two = write_photographs(tmp_path / "two", {"red deer": 3, "blue, whale": 3}, seed=1)
    scores = evaluate_on(predictor, two)
    assert scores["raw"]["balanced_accuracy"] > 0.8
    assert len(scores) == 1 + bool(np.any(predictor.fix.offset))
    (two / "red deer").rename(two / "otter")
    with pytest.raises(ValueError, match="must hold classes of the run .* Got 1 other: otter. Leave out their samples"):
        evaluate_on(predictor, two)
    with pytest.raises(ValueError, match="must hold images, as the run was trained on. Got features"):
        evaluate_on(
            predictor, (np.zeros((4, 3), dtype=np.float32), ["red deer", "red deer", "green frog", "green frog"])
        )
