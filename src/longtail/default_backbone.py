"""The backbone that is used unless another is named; apart from the backbones, so that help need not import PyTorch."""

DEFAULT_BACKBONE = "tf_efficientnet_lite0"
