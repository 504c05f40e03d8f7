import pytest
import torch

from longtail.data.images.to_device import to_device

IMAGES = torch.randint(0, 256, (4, 8, 8, 3), dtype=torch.uint8).permute(0, 3, 1, 2)


def test_images_on_the_cpu_are_not_copied():
    assert to_device(IMAGES, torch.device("cpu")) is IMAGES


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA is not available")
def test_images_on_a_gpu_keep_their_pixels_and_their_layout():
    found = to_device(IMAGES, torch.device("cuda"))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found.cpu(), IMAGES)
