import shutil
import zipfile

import pytest
from PIL import Image

from data.pictures import fill, save
from longtail.data import read_data


def test_class_folders_have_their_names_and_counts(tmp_path):
    parts = read_data(fill(tmp_path, {"bee": 3, "ant": 1}))
    assert parts.class_names == ("ant", "bee")
    assert parts.train.class_counts.tolist() == [1, 3]
    assert parts.train.files == ("ant/0.png", "bee/0.png", "bee/1.png", "bee/2.png")
    assert parts.train.paths[0] == tmp_path / "ant/0.png"
    assert (parts.validation, parts.test, parts.notes) == (None, None, ())


def test_folders_named_by_numbers_are_sorted_as_numbers(tmp_path):
    parts = read_data(fill(tmp_path, {"10": 1, "2280": 2, "1000000055": 3, "9": 4}))
    assert parts.class_names == ("9", "10", "2280", "1000000055")
    assert parts.train.class_counts.tolist() == [4, 1, 2, 3]


def test_class_folders_whose_names_are_alike_are_told(tmp_path):
    notes = read_data(fill(tmp_path, {"007": 1, "7": 2})).notes
    assert notes == (f"{tmp_path} has the classes '007' and '7', which are kept apart.",)


@pytest.mark.parametrize(
    "names", [("train", "val", "test"), ("Training", "valid", "TEST"), ("train", "validation", "testing")]
)
def test_parts_are_known_by_their_usual_names(tmp_path, names):
    for size, name in enumerate(names, 1):
        fill(tmp_path / name, {"a": size, "b": 1})
    parts = read_data(tmp_path)
    assert {name: len(part) for name, part in parts.items()} == {"train": 2, "validation": 3, "test": 4}


def test_parts_may_lie_elsewhere_and_match_classes_by_name(tmp_path):
    fill(tmp_path / "photos", {"ant": 2, "cow": 2})
    fill(tmp_path / "v", {"cow": 3})
    fill(tmp_path / "t", {"cow": 1, "bee": 1})
    parts = read_data(tmp_path / "photos", val=tmp_path / "v", test=tmp_path / "t")
    assert parts.class_names == ("ant", "bee", "cow")
    assert parts.validation.class_counts.tolist() == [0, 0, 3]
    assert parts.test.class_counts.tolist() == [0, 1, 1]
    fill(tmp_path / "both/train", {"ant": 1})
    fill(tmp_path / "both/test", {"ant": 1})
    with pytest.raises(ValueError, match="`val` must hold one part. Got test, train"):
        read_data(tmp_path / "photos", val=tmp_path / "both")
    with pytest.raises(ValueError, match="`test` must be left out: `data` holds test samples"):
        read_data(tmp_path / "both", test=tmp_path / "t")


def test_a_class_may_be_called_train(tmp_path):
    parts = read_data(fill(tmp_path, {"bus": 2, "car": 2, "train": 3}))
    assert parts.class_names == ("bus", "car", "train")
    assert parts.train.class_counts.tolist() == [2, 2, 3]


def test_any_suffix_that_pillow_decodes(tmp_path):
    fill(tmp_path, {"a": 1})
    for name in ("1.JPG", "2.jfif", "3.webp", "4.TIFF", "5.jp2", "6.ppm", "7.tga", "8.Bmp"):
        save(tmp_path / "a" / name)
    save(tmp_path / "a/9.png").rename(tmp_path / "a/no suffix")
    (tmp_path / "a/notes").write_text("no image")
    (tmp_path / "a/notes.txt").write_text("no image")
    parts = read_data(tmp_path)
    assert len(parts.train) == 10
    assert parts.notes == (f"{tmp_path}: 2 files that are not images of a class are left out: a/notes, a/notes.txt.",)


def test_one_file_is_told_in_the_singular(tmp_path):
    fill(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "a/notes.txt").write_text("no image")
    (tmp_path / "a/.hidden").write_text("")
    (tmp_path / "c").symlink_to(tmp_path / "a")
    assert read_data(tmp_path).notes == (
        f"{tmp_path}: 1 hidden or system file or folder is left out: a/.hidden.",
        f"{tmp_path}: 1 file that is not an image of a class is left out: a/notes.txt.",
        f"{tmp_path}: 1 link leads to a folder that is already read, and is not followed: c.",
    )


def test_hidden_and_system_files_are_left_out_and_told(tmp_path):
    fill(tmp_path, {"cat": 3, "dog": 3})
    fill(tmp_path / "cat", {".ipynb_checkpoints": 2})
    fill(tmp_path, {".ipynb_checkpoints": 1, "__MACOSX": 1})
    (tmp_path / "__MACOSX/._0.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / "dog/._1.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / "dog/Thumbs.db").write_bytes(b"x")
    parts = read_data(tmp_path)
    assert parts.class_names == ("cat", "dog")
    assert parts.train.class_counts.tolist() == [3, 3]
    assert len(parts.notes) == 1
    assert (
        "5 hidden or system files and folders are left out: .ipynb_checkpoints, __MACOSX, cat/.ipynb" in parts.notes[0]
    )
    assert "dog/._1.png, dog/Thumbs.db" in parts.notes[0]


def test_linked_folders_are_read_once(tmp_path):
    fill(tmp_path / "elsewhere", {"birds": 3})
    folder = fill(tmp_path / "set", {"cat": 2, "dog": 2})
    (folder / "bird").symlink_to(tmp_path / "elsewhere/birds")
    (folder / "dog/more").symlink_to(tmp_path / "elsewhere/birds")
    (folder / "aaa").symlink_to(folder / "cat")
    parts = read_data(folder)
    assert dict(zip(parts.class_names, parts.train.class_counts.tolist(), strict=True)) == {
        "aaa": 0,
        "bird": 3,
        "cat": 2,
        "dog": 2,
    }
    assert "2 links lead to folders that are already read, and are not followed: aaa, dog/more" in parts.notes[0]


def test_a_link_that_leads_back_is_not_followed(tmp_path):
    fill(tmp_path, {"cat": 2, "dog": 2})
    (tmp_path / "cat/again").symlink_to(tmp_path)
    parts = read_data(tmp_path)
    assert parts.train.class_counts.tolist() == [2, 2]
    assert "cat/again" in parts.notes[0]


def test_a_linked_file_is_an_image(tmp_path):
    fill(tmp_path, {"cat": 1, "dog": 1})
    (tmp_path / "cat/link.png").symlink_to(tmp_path / "dog/0.png")
    assert read_data(tmp_path).train.class_counts.tolist() == [2, 1]


def test_what_is_no_folder_of_classes_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold a folder for each class. Got .* which holds none"):
        read_data(tmp_path)
    with pytest.raises(FileNotFoundError, match="`data` must exist"):
        read_data(tmp_path / "nowhere")
    save(tmp_path / "flat.png")
    with pytest.raises(FileNotFoundError, match="need a list or a table with their labels"):
        read_data(tmp_path)
    fill(tmp_path / "val", {"a": 1})
    with pytest.raises(ValueError, match="`data` must hold a part named train. Got .*, which holds validation alone"):
        read_data(tmp_path)
    fill(tmp_path / "train", {"a": 1})
    fill(tmp_path / "valid", {"a": 1})
    with pytest.raises(ValueError, match="one folder for each part. Got val and valid"):
        read_data(tmp_path)
    shutil.rmtree(tmp_path / "valid")
    with pytest.raises(ValueError, match="`label` must be left out for a folder. Got 'species'"):
        read_data(tmp_path, label="species")


def test_an_archive_is_to_be_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a/1.png", b"")
        archive.writestr("a/2.png", b"")
    with pytest.raises(ValueError, match=r"must be a folder .* Got .*photos.zip. Unpack it, and give the folder"):
        read_data(tmp_path / "photos.zip")


def test_folders_beside_the_parts_are_told(tmp_path):
    for name in ("train", "test", "masks"):
        fill(tmp_path / name, {"a": 1})
    assert "1 folder beside the parts is left out: masks" in read_data(tmp_path).notes[0]


def test_real_photographs_of_fish(fish, real_data):
    parts = read_data(fish, groups=real_data / "fish/groups.csv")
    assert len(parts.train) == 16_281
    assert (parts.train.class_counts.max(), parts.train.class_counts.min()) == (7_621, 11)
    assert len(set(parts.train.groups)) == 8_725
    assert parts.notes == ()
    with Image.open(parts.train.paths[-1]) as image:
        assert min(image.size) <= 96


def test_a_folder_of_tables_says_so(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "0000.csv").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"which holds tables: 0000.csv\. Name a table itself; or put"):
        read_data(tmp_path)


def test_folders_that_hold_tables_in_the_place_of_images_are_refused(tmp_path):
    for name in ("set/default/train", "set/default/test"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "0000.parquet").touch()
    with pytest.raises(
        ValueError, match=r"holds none, but set/default/test/0000.parquet, .* the folder of the Parquet"
    ):
        read_data(tmp_path)
    (tmp_path / "set" / "1.png").touch()
    assert read_data(tmp_path).train.files == ("set/1.png",)
