import json

import pytest

from longtail.data.large_sets.annotations import read_annotations

IMAGES = [{"id": 5, "file_name": "train_val2018/Aves/1/x.jpg", "license": 2}, {"id": 3, "file_name": "b/2/y.jpg"}]
LABELS = [{"id": 1, "image_id": 3, "category_id": 2}, {"id": 2, "image_id": 5, "category_id": 1}]
CATEGORIES = [{"id": 1, "name": "heron", "supercategory": "Aves"}]


def write(path, **content):
    path.write_text(json.dumps({"info": {"year": 2018}, "categories": CATEGORIES, **content}))
    return path


def test_labels_belong_to_images_by_id_not_by_place(tmp_path):
    listed = read_annotations(write(tmp_path / "train2018.json", images=IMAGES, annotations=LABELS))
    assert dict(zip(listed.files, listed.labels.tolist(), strict=True)) == {
        "train_val2018/Aves/1/x.jpg": 1,
        "b/2/y.jpg": 2,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": IMAGES, "annotations": LABELS[:1]}, "one annotation for each image. Got 1 for 2 images"),
        ({"images": IMAGES, "annotations": [LABELS[0]] * 2}, "one annotation for each image. Got 2 for 2 images"),
        ({"images": [], "annotations": []}, "one annotation for each image. Got 0 for 0 images"),
        ({"images": IMAGES}, "`images` and `annotations` in COCO's format"),
        ({"images": [1], "annotations": LABELS}, "`images` and `annotations` in COCO's format"),
    ],
)
def test_annotations_that_are_not_whole_are_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        read_annotations(write(tmp_path / "val2018.json", **content))


def test_a_truncated_file_is_refused(tmp_path):
    path = write(tmp_path / "train2018.json", images=IMAGES, annotations=LABELS)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ValueError, match=r"It does not \(JSONDecodeError: .*\)\. Fetch it again"):
        read_annotations(path)


def test_deep_nesting_is_refused(tmp_path):
    (tmp_path / "train2018.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"It does not \(RecursionError: .*\)\. Fetch it again"):
        read_annotations(tmp_path / "train2018.json")
