"""Tiny data of the user's own, and configurations that train on them in a moment."""

import numpy as np
from PIL import Image

from longtail.recipes.own_data import features, finetune, scratch

CLASSES = {"ant": (20, (200, 40, 40)), "bee": (12, (40, 200, 40)), "cow": (6, (40, 40, 200))}
MOMENTS = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
MACHINE = {"device": "cpu", "precision": "float32", "threads": 1}


def write_photographs(folder, seed=0):
    """Class folders of noisy images, each class of its own colour."""
    random = np.random.default_rng(seed)
    for name, (count, colour) in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = np.clip(np.array(colour) + random.normal(0, 40, (20, 24, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{index}.png")
    return folder


def feature_table(columns=5, seed=0):
    """(X, y) of features whose scales differ, the last of which is constant."""
    random = np.random.default_rng(seed)
    names = np.repeat(list(CLASSES), [count for count, _ in CLASSES.values()])
    means = random.normal(size=(3, columns)).repeat([count for count, _ in CLASSES.values()], axis=0)
    inputs = (means + random.normal(size=means.shape)) * 10.0 ** np.arange(columns) + 3
    inputs[:, -1] = 7.0
    return inputs.astype(np.float32), names


def features_config(**settings):
    """A few epochs on the features of an untrained network."""
    defaults = {"model": "resnet8-cifar", "size": 16, "pretrained": False, "epochs": 3, "batch_size": 8}
    return features(**(MOMENTS | MACHINE | defaults | settings))


def scratch_config(**settings):
    """Two epochs of the smallest network."""
    defaults = {"model": "resnet8-cifar", "size": 16, "epochs": 2, "batch_size": 8, "evaluate_every": 1}
    return scratch(**(MACHINE | defaults | settings))


def finetune_config(**settings):
    """Two epochs of the smallest network, on files that are augmented as they are decoded."""
    defaults = {"model": "resnet8-cifar", "size": 16, "pretrained": False, "epochs": 2, "batch_size": 8}
    return finetune(**(MOMENTS | MACHINE | defaults | settings))
