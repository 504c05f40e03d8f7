import torch
from torchvision.transforms.v2 import functional

from longtail.transforms.resized_crop import crop_boxes, draw_boxes, random_resized_crop


def smooth(number=3, side=64):
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    base = torch.stack([127 + 100 * torch.sin(x / 9), 127 + 100 * torch.cos(y / 7), (x + y).float()])
    return torch.stack([(base + 10 * i).clamp(0, 255) for i in range(number)]).to(torch.uint8)


def test_a_box_is_cut_out_and_resized_as_torchvision_does():
    images = smooth()
    boxes = torch.tensor([[8, 12, 40, 30], [0, 0, 64, 64], [20, 4, 36, 56]]) / 64
    mirrored = torch.tensor([False, False, True])
    found = crop_boxes(images, boxes, mirrored, 48)
    for image, (left, top, width, height), turned, got in zip(
        images, (64 * boxes).int().tolist(), mirrored, found, strict=True
    ):
        expected = functional.resized_crop(image, top, left, height, width, [48, 48], antialias=False)
        expected = expected.flip(2) if turned else expected
        difference = (got.int() - expected.int()).abs()[:, 2:-2, 2:-2]  # at its edges ours sees the pixels around it
        assert difference.max() <= 1


def test_boxes_lie_in_the_image_and_have_the_drawn_areas_and_ratios():
    boxes = draw_boxes(torch.rand(5000, 4, generator=torch.Generator().manual_seed(0)), (0.08, 1.0), (3 / 4, 4 / 3))
    left, top, width, height = boxes.unbind(1)
    assert (torch.stack([left, top]) >= 0).all()
    assert (left + width <= 1 + 1e-6).all()
    assert (top + height <= 1 + 1e-6).all()
    inside = (width < 1) & (height < 1)
    ratios = (width / height)[inside]
    assert 0.74 < ratios.min() < 0.8
    assert 1.25 < ratios.max() < 1.34
    areas = (width * height)[inside]
    assert 0.079 < areas.min() < 0.1
    small = draw_boxes(torch.zeros(1, 4), (0.25, 1.0), (1.0, 1.0))
    assert small.tolist() == [[0.0, 0.0, 0.5, 0.5]]


def test_what_is_drawn_for_an_image_does_not_depend_on_its_batch():
    images, uniform = smooth(6), torch.rand(6, 5, generator=torch.Generator().manual_seed(1))
    whole = random_resized_crop(images, uniform, 32)
    halves = [random_resized_crop(images[part], uniform[part], 32) for part in (slice(0, 3), slice(3, 6))]
    assert torch.equal(torch.cat(halves), whole)
    assert not torch.equal(random_resized_crop(images, uniform.flip(0), 32), whole)


def test_autocast_does_not_round_the_box():
    images, drawn = smooth(), torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    expected = random_resized_crop(images, drawn, 48)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(random_resized_crop(images, drawn, 48), expected)
