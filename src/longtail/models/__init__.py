"""Small models and heads; every other model comes from timm."""

from longtail.models.cifar_resnet import CifarResNet
from longtail.models.cosine import CosineClassifier
from longtail.models.mlp import MLP
from longtail.models.nearest_mean import NearestMeans

__all__ = ["MLP", "CifarResNet", "CosineClassifier", "NearestMeans"]
