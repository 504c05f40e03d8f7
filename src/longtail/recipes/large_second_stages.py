"""Settings of second stages on ImageNet-LT, Places-LT and iNaturalist 2018, where they are others than on small images.

From the released code of GALA (none for Places-LT, which takes those of ImageNet-LT), of Kang et al. (ICLR 2020; for
Places-LT too), of MiSLAS (Zhong et al., CVPR 2021) and of DisAlign (Zhang et al., CVPR 2021; for ImageNet-LT alone,
whose settings the others take), and from the paper of Balanced Softmax and BALMS (Ren et al., NeurIPS 2020; none for
iNaturalist 2018, which takes those of ImageNet-LT). The images of each step are augmented again and pass through the
frozen network, as in these codes, except with `COMPUTED` or `ONCE`. Learning rates are those of the batch size beside
them.
"""

from typing import Any

EACH_STEP = {"features": "each-step", "augment": "imagenet"}
GALA = {"batch_size": 512, "learning_rate": 0.12, "features": "each-step", "augment": "randaugment-n2-m10"}
DECOUPLED = {"batch_size": 512, "learning_rate": 0.2, **EACH_STEP}
ON_PLACES = {"batch_size": 256, "learning_rate": 0.1}
BALANCED = {"batch_size": 512, "learning_rate": 0.2, "epochs": 10, **EACH_STEP}
BALANCED_ON_PLACES = {"batch_size": 128, "learning_rate": 0.01}
MISLAS = {"batch_size": 256, "learning_rate": 0.1, "weight_decay": 5e-4, "classifier_rate": 0.05}
CALIBRATED = {"batch_size": 256, "learning_rate": 0.1, **EACH_STEP}
SMOOTHED = {"loss_arguments": ("head=0.3", "tail=0.0")}
SLOWER_DECAY = {"weight_decay": 1e-4}
COMPUTED = {"features": "computed"}
"""Features of `views` copies: each batch is drawn only after the previous step, so images cannot be decoded ahead."""
ONCE = {"features": "computed", "views": 1}
"""Nothing is trained, so that features are computed once, without a cache of gigabytes."""

LARGE_SECOND_STAGES: dict[str, dict[str, dict[str, Any]]] = {
    "imagenet-lt": {
        "decoupled-gala": GALA,
        "decoupled-balanced-softmax": BALANCED,
        "balms": BALANCED | COMPUTED,
        "crt": DECOUPLED,
        "lws": DECOUPLED,
        "tau-norm": ONCE,
        "ncm": ONCE,
        "mislas": MISLAS | SMOOTHED,
        "disalign": CALIBRATED,
    },
    "places-lt": {
        "decoupled-gala": GALA,
        "decoupled-balanced-softmax": BALANCED | BALANCED_ON_PLACES,
        "balms": BALANCED | BALANCED_ON_PLACES | COMPUTED,
        "crt": DECOUPLED | ON_PLACES,
        "lws": DECOUPLED | ON_PLACES,
        "tau-norm": ONCE,
        "ncm": ONCE,
        "mislas": MISLAS,
        "disalign": CALIBRATED,
    },
    "inaturalist18": {
        "decoupled-gala": GALA | {"learning_rate": 0.2, "epochs": 30} | SLOWER_DECAY,
        "decoupled-balanced-softmax": BALANCED | SLOWER_DECAY,
        "balms": BALANCED | COMPUTED | SLOWER_DECAY,
        "crt": DECOUPLED | {"epochs": 30} | SLOWER_DECAY,
        "lws": DECOUPLED | SLOWER_DECAY,
        "tau-norm": ONCE,
        "ncm": ONCE,
        "mislas": MISLAS | SMOOTHED | SLOWER_DECAY,
        "disalign": CALIBRATED,
    },
}
"""For each data set the settings of each method that differ."""
