"""ResNets for 32 × 32 images (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2).

Three stages of n blocks with 16, 32 and 64 channels, 6n + 2 layers. Where the stage changes, the shortcut takes every
second pixel and pads the new channels with zeros (the paper's option A), so it has no parameters. Convolutions start
Kaiming-normal, as in the code that the long-tailed literature shares; the linear classifier has a bias.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from longtail.arguments import check_integer, check_num_classes
from longtail.models.cosine import CosineClassifier
from longtail.models.input_config import InputConfig
from longtail.models.nearest_mean import NearestMeans

DEPTHS = (8, 14, 20, 32, 44, 56)


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions around a parameter-free shortcut."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.stride = 1 if in_channels == channels else 2
        self.new_channels = channels - in_channels
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, channels, H / stride, W / stride)."""
        shortcut = x
        if self.new_channels:
            half = self.new_channels // 2
            shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, self.new_channels - half))
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(out)).add_(shortcut), inplace=True)


class CifarBackbone(nn.Module):
    """A ResNet for small images without its classifier.

    Its convolutions have PyTorch's default weights until `initialise` is called, as `make_backbone`, `make_network` and
    `CifarResNet` do. The two are apart because `CifarResNet` draws the weights of its classifier between them, and a
    seed must keep its weights.

    Args:
        depth: 8, 14, 20, 32, 44 or 56.
        in_channels: 3 for coloured images, 1 for grey ones.

    Shape:
        images (N, in_channels, H, W), normally 32 × 32, to features (N, 64), non-negative.

    Example:
        >>> import torch
        >>> CifarBackbone(depth=8)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 64])
    """

    num_features = 64

    def __init__(self, depth: int, in_channels: int = 3) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"`depth` must be one of {', '.join(map(str, DEPTHS))}. Got {depth!r}.")
        check_integer("in_channels", in_channels, minimum=1)
        self.input_config = InputConfig(channels=in_channels, size=(32, 32))
        blocks = (depth - 2) // 6
        self.conv = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        channels = [16] * (blocks + 1) + [32] * blocks + [64] * blocks
        self.blocks = nn.Sequential(*map(BasicBlock, channels[:-1], channels[1:]))

    def initialise(self) -> None:
        """Draw the weights of all convolutions, Kaiming-normal."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def features(self, images: Tensor) -> Tensor:
        """(N, 64), averaged over the pixels in at least float32."""
        maps: Tensor = self.blocks(F.relu(self.bn(self.conv(images)), inplace=True))
        return maps.mean((2, 3), dtype=torch.promote_types(maps.dtype, torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        """The features."""
        return self.features(images)


class CifarResNet(CifarBackbone):
    """A ResNet for small images with its classifier in one module.

    `make_network("resnet32-cifar", num_classes)` gives the same weights and outputs as a `Network`.

    Args:
        depth: 8, 14, 20, 32, 44 or 56.
        num_classes: C, at least 2.
        cosine_scale: `None` for a linear classifier with bias, or the scale of a `CosineClassifier`.
        in_channels: 3 for coloured images, 1 for grey ones.

    Shape:
        images (N, in_channels, H, W), normally 32 × 32, to logits (N, C); `features` gives (N, 64).

    Example:
        >>> import torch
        >>> model = CifarResNet(depth=32, num_classes=100)
        >>> sum(parameter.numel() for parameter in model.parameters())
        470004
        >>> model(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 100])
    """

    def __init__(self, depth: int, num_classes: int, cosine_scale: float | None = None, in_channels: int = 3) -> None:
        check_num_classes(num_classes)
        super().__init__(depth, in_channels)
        self.classifier: nn.Linear | CosineClassifier | NearestMeans = (
            nn.Linear(64, num_classes) if cosine_scale is None else CosineClassifier(64, num_classes, cosine_scale)
        )
        self.initialise()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, C); under autocast the classifier stays in float32, for 8 bits of mantissa are few for a score."""
        features = self.features(images)
        with torch.autocast(images.device.type, enabled=False):
            logits: Tensor = self.classifier(features.to(self.classifier.weight.dtype))
        return logits
