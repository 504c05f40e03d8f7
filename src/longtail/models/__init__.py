"""Networks for classification: backbones by name, classifiers on top of them, pretrained weights.

`make_network("tf_efficientnet_lite0", num_classes=23, pretrained=True)` builds one; docs/models.md says which names
there are.
"""

from longtail.default_backbone import DEFAULT_BACKBONE
from longtail.models.adaptive_calibration import AdaptiveCalibration
from longtail.models.backbones import BACKBONES, Backbone, make_backbone
from longtail.models.cifar_resnet import CifarBackbone, CifarResNet
from longtail.models.classifiers import CLASSIFIERS, ClassifierKind, build_classifier, describe_classifier
from longtail.models.cosine import CosineClassifier
from longtail.models.folding import fold_batch_norm
from longtail.models.input_config import InputConfig
from longtail.models.mlp import MLP
from longtail.models.named_network import make_network
from longtail.models.nearest_mean import NearestMeans
from longtail.models.network import Network
from longtail.models.weight_report import WeightReport
from longtail.models.weights import load_weights

__all__ = [
    "BACKBONES",
    "CLASSIFIERS",
    "DEFAULT_BACKBONE",
    "MLP",
    "AdaptiveCalibration",
    "Backbone",
    "CifarBackbone",
    "CifarResNet",
    "ClassifierKind",
    "CosineClassifier",
    "InputConfig",
    "NearestMeans",
    "Network",
    "WeightReport",
    "build_classifier",
    "describe_classifier",
    "fold_batch_norm",
    "load_weights",
    "make_backbone",
    "make_network",
]
