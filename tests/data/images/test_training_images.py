"""Training images by worker processes: the same bytes whatever their number, and what happens when something fails."""

import dataclasses
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from data.pictures import fill
from longtail.data import Samples, StreamedImages, image_loader, read_data
from longtail.data.images.device_augmentation import POLICIES, DeviceAugmentation
from longtail.data.images.file_augmentation import CentreSquare, TrainingImage
from longtail.data.images.training_images import TrainingImages
from longtail.data.images.workers import draw_batches
from longtail.data.own import source_of
from longtail.data.own_config import ON_DEVICE

MOMENTS = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
COUNTS = {"a": 14, "b": 7}
NUMBER = sum(COUNTS.values())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("pictures")
    fill(out, COUNTS, suffix=".jpg")
    return out


def split_of(folder, augment="light", **settings):
    samples = read_data(folder).train
    target = torch.from_numpy(samples.target)
    plain = StreamedImages(image_loader(samples, 8, 0.8), target, *MOMENTS, torch.channels_last)
    return TrainingImages(plain, TrainingImage(augment, 8, 10), source_of(samples), 8, **settings)


def batches(split, size=4, first=0, seed=0, order=None):
    order = torch.randperm(NUMBER, generator=torch.Generator().manual_seed(1)) if order is None else order
    parts = [slice(start, start + size) for start in range(first, len(order) - size + 1, size)]
    generator = torch.Generator().manual_seed(seed)
    return list(split.batches(order, parts, augment=None, generator=generator, each_once=True))


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for (images, target), (expected, labels) in zip(ours, theirs, strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(target, labels)


@pytest.mark.parametrize("augment", ["light", "randaugment", "trivial", "none"])
@pytest.mark.slow
def test_the_number_of_workers_changes_no_byte(folder, augment):
    alone = batches(split_of(folder, augment))
    for workers in (1, 2):
        assert_same(batches(split_of(folder, augment, workers=workers)), alone)
    assert alone[0][0].is_contiguous(memory_format=torch.channels_last)
    assert alone[0][0].shape == (4, 3, 8, 8)


def test_settings_for_the_device_are_the_policies_that_there_are():
    assert set(ON_DEVICE) == set(POLICIES)


@pytest.mark.parametrize("augment", ON_DEVICE)
@pytest.mark.slow
def test_batches_augmented_on_the_device_depend_on_seed_and_position_alone(folder, augment):
    def on_device(**settings):
        augmentation = DeviceAugmentation(augment, 16)
        split = split_of(folder, "none", on_device=augmentation, **settings)
        size = augmentation.source_size
        return dataclasses.replace(split, draw=CentreSquare(size), size=size)

    alone = batches(on_device())
    assert alone[0][0].shape == (4, 3, 16, 16)
    assert_same(batches(on_device(workers=2)), alone)
    assert_same(batches(on_device(), first=8), alone[2:])
    assert not torch.equal(batches(on_device(), seed=1)[0][0], alone[0][0])
    shares = [batches(on_device(), 2)[i][0] for i in (0, 1)]  # two processes share a batch
    assert torch.equal(torch.cat(shares), alone[0][0])
    twice, _ = batches(on_device(), 12, order=torch.full((12,), 3))[0]
    assert len(torch.unique(twice.flatten(1), dim=0)) > 8
    copy = on_device().augmented(None, torch.Generator().manual_seed(3))
    once = torch.cat(list(copy.in_order()))
    (trained_on, _), *_ = batches(copy, NUMBER, order=torch.arange(NUMBER))
    assert torch.equal(trained_on, once)
    part = copy.take(torch.tensor([7, 2, 20]))
    assert torch.equal(torch.cat(list(part.in_order())), once[[7, 2, 20]])
    assert copy.augmentation != split_of(folder, "none").augmentation


def test_none_is_what_evaluation_sees(folder):
    split = split_of(folder, "none")
    (images, target), *_ = batches(split, NUMBER, order=torch.arange(NUMBER))
    assert torch.equal(images, torch.cat(list(split.in_order())))
    assert torch.equal(target, split.target)
    assert (split.pictures(np.array([3]))[0] == split.plain.load(3)).all()


@pytest.mark.slow
def test_a_later_step_of_an_epoch_sees_what_the_whole_epoch_saw(folder):
    split = split_of(folder, workers=1)
    whole = batches(split)
    assert_same(batches(split, first=8), whole[2:])
    assert not torch.equal(batches(split, seed=1)[0][0], whole[0][0])
    halves = [batches(split_of(folder), 2), batches(split_of(folder), 2)[1:]]
    assert torch.equal(torch.cat([halves[0][0][0], halves[1][0][0]]), whole[0][0])  # two processes share a batch


def test_an_image_that_is_drawn_twice_is_augmented_twice(folder):
    (images, _), *_ = batches(split_of(folder), 12, order=torch.full((12,), 3))
    assert len(torch.unique(images.flatten(1), dim=0)) > 8


def test_an_augmented_copy_keeps_its_draws(folder):
    split = split_of(folder)
    copy = split.augmented(None, torch.Generator().manual_seed(3))
    once, again = (torch.cat(list(copy.in_order())) for _ in range(2))
    assert torch.equal(once, again)
    assert (once != torch.cat(list(split.in_order()))).flatten(1).any(1).all()
    (trained_on, _), *_ = batches(copy, NUMBER, order=torch.arange(NUMBER))
    assert torch.equal(trained_on, once)


def test_a_part_of_an_augmented_copy_is_augmented_as_in_the_copy(folder):
    split, indices = split_of(folder), torch.tensor([3, 1, 6])
    copy = split.augmented(None, torch.Generator().manual_seed(3))
    whole = torch.cat(list(copy.in_order()))
    part = copy.take(indices)
    assert torch.equal(torch.cat(list(part.in_order())), whole[indices])
    assert torch.equal(torch.cat(list(part.take(torch.tensor([2, 0])).in_order())), whole[indices[[2, 0]]])
    again = part.augmented(None, torch.Generator().manual_seed(3))
    assert not torch.equal(torch.cat(list(again.in_order())), whole[indices])  # a copy of its own


@pytest.mark.slow
def test_images_in_memory_are_drawn_like_files():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3), dtype=np.uint8)
    samples = Samples(np.zeros(3, dtype=np.int64), ("a",), images=pixels)
    jobs = [[(source_of(samples)(i), 7 + i) for i in range(3)]]
    draw = TrainingImage("light", 8, 8)
    ours, theirs = (next(draw_batches(draw, jobs, workers)).images for workers in (0, 1))
    assert (ours == theirs).all()


@pytest.fixture
def damaged(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("content", "error"), [(b"noise", ValueError), (None, FileNotFoundError)])
@pytest.mark.slow
def test_a_file_that_goes_bad_is_named_or_left_out(damaged, workers, content, error):
    strict, lenient = (split_of(damaged, workers=workers, skip=skip) for skip in (False, True))
    before = batches(lenient)
    bad = damaged / "b/3.jpg"
    bad.write_bytes(content) if content else bad.unlink()
    with pytest.raises(error, match=r"b/3.jpg must be .* Restore it and go on with --resume; .*--on-bad-file skip"):
        batches(strict)
    after = batches(lenient)
    assert list(lenient.left_out) == [str(bad)]
    assert sorted(len(target) for _, target in after) == [3, 4, 4, 4, 4]
    for (images, target), (others, labels) in zip(after, before, strict=True):
        if len(target) == 4:
            assert torch.equal(images, others)
        else:
            assert sum(any(torch.equal(image, other) for other in others) for image in images) == 3
            assert target.sum() == labels.sum() - 1  # it was one of class 1
    copy = lenient.augmented(None, torch.Generator().manual_seed(0))
    inputs = torch.cat(list(copy.in_order()))
    black = [bool((image == image.amin()).flatten(1).any()) and len(image.unique()) <= 3 for image in inputs]
    assert [index for index, found in enumerate(black) if found] == [14 + 3]


def test_a_batch_of_bad_files_is_an_error(damaged):
    for file in (damaged / "b").iterdir():
        file.write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"a batch must hold .* All 4 of this one .*/b/1.jpg .* is empty. Restore .* --resume"
    ):
        batches(split_of(damaged, skip=True), order=torch.full((4,), 15))


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_the_run_with_one_line(folder):
    split = split_of(folder, workers=2)
    order = torch.arange(NUMBER).repeat(200)
    parts = [slice(start, start + 4) for start in range(0, len(order), 4)]
    stream = split.batches(order, parts, augment=None, generator=torch.Generator(), each_once=False)
    next(stream)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(
        ChildProcessError, match=r"`workers`: a process .* --resume and fewer workers; --workers 0"
    ) as e:
        list(stream)
    assert "\n" not in str(e.value)
    assert not multiprocessing.active_children()


SERVER = """
import sys
from longtail.data.images.workers import draw_batches
class Draw:
    modules = ("ends_the_server",)
    def __call__(self, source, seed):
        raise AssertionError("no worker draws")
try:
    list(draw_batches(Draw(), [[("a.jpg", 0)]], 1))
except ChildProcessError as error:
    sys.exit(str(error))
"""


@pytest.mark.slow
def test_a_server_that_ends_before_it_forks_a_worker_is_reported(tmp_path):
    (tmp_path / "ends_the_server.py").write_text("import os\nos._exit(1)\n")
    (tmp_path / "draw.py").write_text(SERVER)
    command = [sys.executable, str(tmp_path / "draw.py")]
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 1
    assert "`workers`: a process that decodes images ended before its time" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_workers_end_when_the_reader_stops_early(folder):
    stream = draw_batches(TrainingImage("light", 8, 8), ([(str(folder / "a/0.jpg"), i)] for i in range(1000)), 2)
    next(stream)
    assert multiprocessing.active_children()
    stream.close()
    assert not multiprocessing.active_children()


STREAM = """
import multiprocessing, os, signal, sys
from pathlib import Path
from longtail.data.images.file_augmentation import TrainingImage
from longtail.data.images.workers import draw_batches
print("begun", flush=True)  # without a guard: workers must not run this script again
jobs = ([(sys.argv[1], seed) for seed in range(8)] for _ in range(20))
try:
    stream = draw_batches(TrainingImage("light", 224, 224), jobs, 2)
    drawn = next(stream)
except OSError as error:
    sys.exit(str(error))
print(*[child.pid for child in multiprocessing.active_children()])
print(drawn.images.shape, "/dev/shm/torch_" in Path("/proc/self/maps").read_text(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def in_a_process(prefix, file, folder):
    (folder / "stream.py").write_text(STREAM)
    command = [*prefix, sys.executable, str(folder / "stream.py"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def with_shared_memory(size):
    """What begins a command that sees a /dev/shm of this size; nothing where the system does not let us."""
    mount = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
    prefix = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh"]
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        return []
    return prefix


@pytest.mark.slow
def test_workers_need_no_shared_memory_and_end_with_the_process_that_is_killed(folder, tmp_path):
    done = in_a_process(with_shared_memory("64k"), folder / "a/0.jpg", tmp_path)  # a batch has 1.2 MB
    assert done.returncode == -signal.SIGKILL, done.stderr
    begun, workers, drawn = done.stdout.splitlines()
    assert begun == "begun"
    assert drawn == "(8, 224, 224, 3) False"
    until = time.monotonic() + 20
    while any(map(is_running, workers.split())) and time.monotonic() < until:
        time.sleep(0.05)
    assert workers
    assert not any(map(is_running, workers.split()))


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_a_full_shared_memory_is_reported(folder, tmp_path):
    prefix = with_shared_memory("4k")
    if not prefix:
        pytest.skip("this system lets us mount no /dev/shm of our own")
    said = in_a_process(prefix, folder / "a/0.jpg", tmp_path).stderr
    assert "`workers`: processes could not be started (No space left on device). Enlarge /dev/shm" in said
    assert "--workers 0" in said
