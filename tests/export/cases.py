"""Fixes and scores on which every way of serving must agree with `Fix`."""

import dataclasses

import numpy as np
import torch

from longtail.posthoc.probability_rows import EXACT, look_like_probabilities
from longtail.repair import Fix

AWKWARD = ('say "a"', "b\\n' OR 1=1; --", "Löwe\n# x", "*/ ${c} `d` {e} </script>", "猫", "__proto__", "%s", "true")
INVISIBLE = "\u202eflow\x1b[31m\u2028\x00"
NUM_CLASSES = (2, 3, 200)
KINDS_OF_RUNS = ("timm", "own network", "cosine", "features", "second stage", "calibrated", "cifar")
KINDS = ("offset", "probabilities", "cost")


def fix_of(num_classes, kind="offset", names=None, **changes):
    """A fix whose decision, temperature and probability offset all differ from doing nothing."""
    rng = np.random.default_rng(num_classes)
    names = names or (*AWKWARD, *map(str, range(num_classes)))[:num_classes]
    offset, even = 2 * rng.normal(size=num_classes), np.full(num_classes, 1 / num_classes)
    fix = Fix(offset, 1.7, rng.normal(size=num_classes), even, tuple(names), "macro-f1", "by hand\nnot by a fit")
    if kind == "cost":
        changes = {"cost": rng.random((num_classes, num_classes)), **changes}
    if kind == "probabilities":
        changes = {"takes": "probabilities", **changes}
    return dataclasses.replace(fix, evidence={"verdict": "use", "note": "line\nbreak"}, **changes)


def scores_for(fix, samples=100):
    """Logits, or probabilities with zeros among them, (N, C)."""
    scores = 5 * np.random.default_rng(0).normal(size=(samples, len(fix.class_names)))
    if fix.takes == "probabilities":
        scores = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        scores[0] = np.eye(len(fix.class_names))[0]
    return scores


def rounded_rows(how, num_classes):
    """Probabilities that were rounded, each row accepted by a fix on its own; some sums are off by 1e-3 or more."""
    rows = np.random.default_rng(1).dirichlet(np.full(num_classes, 0.5), size=60)
    rows = np.round(rows, how) if isinstance(how, int) else torch.from_numpy(rows).to(how).double().numpy()
    rows = np.array([row for row in rows if look_like_probabilities(torch.from_numpy(row))])
    off = np.abs(rows.sum(1) - 1)
    assert len(rows) > 30
    assert (off >= EXACT).any()
    assert (off < EXACT).any()
    return rows
