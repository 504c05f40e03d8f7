"""Losses for long-tailed data: one paper per file, each a function (one loss per sample) and a module (a drop-in).

Every module takes the place of `nn.CrossEntropyLoss` in a training loop:

    >>> import torch
    >>> from longtail.losses import GALALoss
    >>> model = torch.nn.Linear(4, 3)
    >>> criterion = GALALoss(num_classes=3)
    >>> criterion(model(torch.randn(8, 4)), torch.randint(0, 3, (8,))).backward()

It adjusts the logits in training and is plain cross-entropy in `eval()`. Predictions always come from the raw logits.
"""

from longtail.losses.balanced_contrastive import balanced_contrastive_loss
from longtail.losses.balanced_softmax import BalancedSoftmaxLoss, balanced_softmax_logits, balanced_softmax_loss
from longtail.losses.class_balanced import ClassBalancedLoss, class_balanced_loss, class_balanced_weights
from longtail.losses.deferred_reweighting import DeferredReweighting
from longtail.losses.eql import EQLLoss, eql_loss
from longtail.losses.eql_v2 import EQLv2Loss, eql_v2_loss
from longtail.losses.focal import FocalLoss, focal_loss
from longtail.losses.gala import GALALoss, gala_logits, gala_loss
from longtail.losses.gcl import GCLLoss, gcl_logits, gcl_loss
from longtail.losses.label_aware_smoothing import LabelAwareSmoothingLoss, label_aware_smoothing_loss
from longtail.losses.lade import LADELoss, lade_loss
from longtail.losses.ldam import LDAMLoss, ldam_logits, ldam_loss
from longtail.losses.logit_adjustment import LogitAdjustmentLoss, logit_adjustment_logits, logit_adjustment_loss
from longtail.losses.probabilistic_contrastive import ProbabilisticContrastiveLoss, expected_similarities
from longtail.losses.seesaw import SeesawLoss, seesaw_logits, seesaw_loss
from longtail.losses.vs import VSLoss, vs_logits, vs_loss

__all__ = [
    "BalancedSoftmaxLoss",
    "ClassBalancedLoss",
    "DeferredReweighting",
    "EQLLoss",
    "EQLv2Loss",
    "FocalLoss",
    "GALALoss",
    "GCLLoss",
    "LADELoss",
    "LDAMLoss",
    "LabelAwareSmoothingLoss",
    "LogitAdjustmentLoss",
    "ProbabilisticContrastiveLoss",
    "SeesawLoss",
    "VSLoss",
    "balanced_contrastive_loss",
    "balanced_softmax_logits",
    "balanced_softmax_loss",
    "class_balanced_loss",
    "class_balanced_weights",
    "eql_loss",
    "eql_v2_loss",
    "expected_similarities",
    "focal_loss",
    "gala_logits",
    "gala_loss",
    "gcl_logits",
    "gcl_loss",
    "label_aware_smoothing_loss",
    "lade_loss",
    "ldam_logits",
    "ldam_loss",
    "logit_adjustment_logits",
    "logit_adjustment_loss",
    "seesaw_logits",
    "seesaw_loss",
    "vs_logits",
    "vs_loss",
]
