"""Models that the field trains from scratch; every other comes from timm."""

from longtail.models.cifar_resnet import CifarResNet
from longtail.models.mlp import MLP

__all__ = ["MLP", "CifarResNet"]
