"""Data sets of three classes under the names and in the layouts of the real ones."""

import shutil

import numpy as np
import pytest

from data.large_set_files import TINY_COUNTS, write_annotations
from longtail.data.large_sets import LARGE_SETS, read_large_set


def list_of(folder, name, part):
    return folder / LARGE_SETS[name].lists[part].names[0]


def change(path, edit):
    lines = [line.split() for line in path.read_text().splitlines()]
    path.write_text("".join(f"{file} {label}\n" for file, label in edit(lines)))


def last_part(name):
    return "test" if name == "inaturalist18" else "validation"


def test_parts_in_the_official_order_of_classes(name, tiny_set):
    found = read_large_set(name, tiny_set)
    assert found.problems == ()
    assert found.parts.notes == ()
    assert found.parts.class_names == tuple(sorted(found.parts.class_names))
    for part, samples in found.parts.items():
        assert samples.class_counts.tolist() == list(TINY_COUNTS[part])
        assert all(path.is_file() for path in samples.paths)


def test_lists_and_images_may_lie_apart(name, tiny_set, tmp_path):
    lists = tmp_path / "elsewhere/lists"
    lists.mkdir(parents=True)
    for path in tiny_set.glob("*.txt"):
        shutil.move(path, lists / path.name)
    with pytest.raises(FileNotFoundError, match=r"must hold .*train.*, the official train list of .*--root IMAGES"):
        read_large_set(name, tiny_set)
    found = read_large_set(name, lists.parent, root=tiny_set)
    assert all(path.is_file() for path in found.parts.train.paths)
    with pytest.raises(FileNotFoundError, match="`root` must hold the images of .*where none of .* is found"):
        read_large_set(name, lists)
    with pytest.raises(FileNotFoundError, match="`root` must be the folder of .* Got .*nowhere, which is no folder"):
        read_large_set(name, lists, root=tmp_path / "nowhere")


def test_lists_of_other_names_are_recognised_by_their_content(name, tiny_set):
    for number, path in enumerate(sorted(tiny_set.glob("*.txt"))):
        path.rename(tiny_set / f"{number}.txt")
    (tiny_set / "notes.txt").write_text("Not a list of images at all.\n")
    found = read_large_set(name, tiny_set)
    assert [len(part) for _, part in found.parts.items()] == [
        sum(TINY_COUNTS[part]) for part in TINY_COUNTS if part in LARGE_SETS[name].lists
    ]


@pytest.mark.parametrize("name", ["imagenet-lt"])
@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("ILSVRC/Data/CLS-LOC/train/{}", "ILSVRC/Data/CLS-LOC/val/{}"),
        ("ILSVRC/Data/CLS-LOC/train/{}", "ILSVRC/Data/CLS-LOC/val"),
        ("ILSVRC2012_img_train/{}", "ILSVRC2012_img_val"),
        ("train/{}", "val"),
    ],
)
def test_layouts_of_imagenet(name, tiny_set, train, val):
    assert_found_in(name, tiny_set, {"train": train, "val": val})


@pytest.mark.parametrize("name", ["places-lt"])
@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("places365_standard/train/{joined}", "places365_standard/val/{joined}"),
        ("train/{joined}", "val"),
        ("data_256/a/{}", "val_256"),
        ("data_large_standard/a/{}", "val_large"),
    ],
)
def test_layouts_of_places(name, tiny_set, train, val):
    assert_found_in(name, tiny_set, {"train": train, "val": val})


@pytest.mark.parametrize("name", ["inaturalist18"])
@pytest.mark.parametrize("folder", ["{}", "inat2018/train_val2018/{}"])
def test_layouts_of_inaturalist(name, tiny_set, folder):
    assert_found_in(name, tiny_set, {"train_val2018": folder})


def assert_found_in(name, folder, layout):
    before = read_large_set(name, folder).parts
    for top, template in layout.items():
        moved = folder / f"before-{top}"
        (folder / top).rename(moved)
        for path in sorted(moved.rglob("*.jpg")):
            own = str(path.parent.relative_to(moved))
            target = folder / template.format(own, joined=own.replace("/", "-")) / path.name
            # Flat folders hold files of all classes, whose names differ in the real data sets.
            if "{" not in template:
                target = target.with_name(f"{own.replace('/', '-')}-{path.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
        if "{" not in template:
            for listed in folder.glob("*.txt"):
                change(
                    listed,
                    lambda lines, top=top: [
                        (_with_class(file) if file.startswith(f"{top}/") else file, label) for file, label in lines
                    ],
                )
    after = read_large_set(name, folder).parts
    for (_, old), (_, new) in zip(before.items(), after.items(), strict=True):
        assert new.target.tolist() == old.target.tolist()
        assert all(path.is_file() for path in new.paths)


def _with_class(file):
    top, _, rest = file.partition("/")
    own, _, image = rest.rpartition("/")
    return f"{top}/{own}/{own.replace('/', '-')}-{image}"


@pytest.mark.parametrize("name", ["inaturalist18"])
def test_annotations_give_the_same_as_lists(name, tiny_set):
    lists = read_large_set(name, tiny_set).parts
    write_annotations(name, tiny_set)
    found = read_large_set(name, tiny_set)
    assert found.problems == ()
    assert found.parts.notes == ()
    assert found.parts.fingerprint == lists.fingerprint


def test_a_label_map_that_permutes_classes_is_matched_by_folder(name, tiny_set):
    expected = read_large_set(name, tiny_set).parts
    part = last_part(name)
    change(list_of(tiny_set, name, part), lambda lines: [(file, (int(label) + 1) % 3) for file, label in lines])
    found = read_large_set(name, tiny_set)
    assert found.problems == ()
    assert dict(found.parts.items())[part].target.tolist() == dict(expected.items())[part].target.tolist()
    assert "3 of 3 classes have other numbers than in the official list" in found.parts.notes[0]


def test_images_without_a_class_folder_cannot_be_matched(name, tiny_set):
    part = last_part(name)
    change(
        list_of(tiny_set, name, part), lambda lines: [(f"val/{file.split('/')[-1]}", label) for file, label in lines]
    )
    with pytest.raises(ValueError, match=r"must name the class of each image by its folder.* Got 'val/.*' in line 1,"):
        read_large_set(name, tiny_set)


def test_a_list_of_another_version_is_a_problem(name, tiny_set):
    path = list_of(tiny_set, name, "train")
    official = path.read_text()
    change(path, lambda lines: lines[1:])
    assert "images in 3 classes. Got 41 in 3: another version?" in read_large_set(name, tiny_set).problems[0]
    path.write_text(official)
    change(path, lambda lines: [lines[-1] if i == 0 else line for i, line in enumerate(lines)])
    assert "Got as many, but other numbers in some classes" in read_large_set(name, tiny_set).problems[0]
    path.write_text(official)
    change(list_of(tiny_set, name, "test"), lambda lines: [(file.replace("2/", "9/"), label) for file, label in lines])
    problem = read_large_set(name, tiny_set).problems[0]
    assert "must hold the classes of train. Got others:" in problem


def test_labels_beyond_the_class_count_are_a_problem(name, tiny_set):
    change(
        list_of(tiny_set, name, "train"), lambda lines: [(file, 8 if label == "2" else label) for file, label in lines]
    )
    problem = read_large_set(name, tiny_set).problems[0]
    assert "must hold labels below 3, the classes of" in problem
    assert "Got 8 in line 37" in problem


@pytest.mark.parametrize("name", ["inaturalist18"])
def test_an_entry_of_annotations_is_called_an_entry(name, tiny_set):
    change(
        list_of(tiny_set, name, "train"), lambda lines: [(file, 8 if label == "2" else label) for file, label in lines]
    )
    write_annotations(name, tiny_set)
    assert "Got 8 in entry 37 of `images`." in read_large_set(name, tiny_set).problems[0]


def test_folders_and_labels_must_agree(name, tiny_set):
    path = list_of(tiny_set, name, "train")
    official = path.read_text()
    change(path, lambda lines: [(file, 1 if i == 5 else label) for i, (file, label) in enumerate(lines)])
    with pytest.raises(ValueError, match=r"must give all images of a folder one label. .* has 0 and, in line 6, 1"):
        read_large_set(name, tiny_set)
    path.write_text(official)
    change(path, lambda lines: [(file, 1 if label == "2" else label) for file, label in lines])
    with pytest.raises(ValueError, match=r"must give each class a label of its own. .* both have 1"):
        read_large_set(name, tiny_set)


def test_other_images_of_the_same_counts_are_noted(name, tiny_set):
    part = last_part(name)
    change(list_of(tiny_set, name, part), lambda lines: lines[::-1])
    found = read_large_set(name, tiny_set)
    assert found.problems == ()
    assert "has the class counts of the official list, but not its lines" in found.parts.notes[0]
    assert np.bincount(dict(found.parts.items())[part].target).tolist() == list(TINY_COUNTS[part])
