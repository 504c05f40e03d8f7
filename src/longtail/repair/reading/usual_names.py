"""The usual names of columns and arrays."""

import re

LABELS = ("label", "target", "labels", "y", "true_label", "y_true", "ground_truth", "targets", "label_ids")
WEIGHTS = ("weight", "weights", "sample_weight")
GROUPS = ("group", "groups", "group_id")
IDS = ("id", "idx", "index", "sample_id")
KINDS = ("logits", "probabilities")
SCORES = (*KINDS, "scores", "predictions")
UNNAMED = re.compile(r"(Unnamed: \d+)?")
