"""Augmentation of whole batches of small images, on the device that holds them, drawn for each image.

>>> import torch
>>> from longtail.transforms import auto_augment, cutout, random_crop, random_flip
>>> generator = torch.Generator().manual_seed(0)
>>> images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
>>> images = random_flip(random_crop(images, generator=generator), generator)
>>> cutout(auto_augment(images, generator), generator=generator).dtype
torch.uint8
"""

from longtail.transforms.auto_augment import auto_augment
from longtail.transforms.crop_flip_cutout import cutout, random_crop, random_flip
from longtail.transforms.mixing import cmo, cutmix, mixup, remix
from longtail.transforms.normalise import normalise

__all__ = ["auto_augment", "cmo", "cutmix", "cutout", "mixup", "normalise", "random_crop", "random_flip", "remix"]
