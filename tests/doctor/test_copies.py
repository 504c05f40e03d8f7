import shutil

import numpy as np
import pytest
from PIL import Image

from data.pictures import fill, save
from longtail.data import Samples, read_data
from longtail.doctor import examine
from longtail.doctor.copies import correlation, duplicate_findings
from longtail.doctor.prints import print_of, prints_of


def whats(found, severity=None):
    return [finding.what for finding in found if severity in (None, finding.severity)]


def test_a_file_that_a_table_names_many_times(tmp_path):
    for number in range(40):
        save(tmp_path / f"{number}.png", seed=number)
    rows = [(f"{i}.png", "cat" if i < 30 else "lynx") for i in range(40)]
    rows += [("35.png", "lynx")] * 60 + [("5.png", "lynx")]
    (tmp_path / "t.csv").write_text("path,label\n" + "".join(f"{file},{name}\n" for file, name in rows))
    found = examine(tmp_path / "t.csv")
    copies = next(finding for finding in found if "exact copies" in finding.what)
    assert copies.what == "61 of 101 images are exact copies of another"
    assert "lynx (71, 11 distinct)" in copies.where
    clash = next(finding for finding in found if "two classes" in finding.what)
    assert clash.what == "1 image is in two classes"
    assert clash.where == f"{tmp_path}/5.png (cat) = {tmp_path}/5.png (lynx)"


def test_a_class_of_copies_is_nearly_empty(tmp_path):
    fill(tmp_path, {"cat": 30, "lynx": 1})
    for number in range(1, 30):
        shutil.copy(tmp_path / "lynx/0.png", tmp_path / f"lynx/{number}.png")
    found = examine(tmp_path)
    assert "1 class has fewer than 5 distinct images" in whats(found, "warning")
    assert "29 of 60 images are exact copies of another" in whats(found, "warning")
    assert not any("two classes" in what for what in whats(found))


def test_one_image_in_two_classes_is_serious_from_one_percent_on(tmp_path):
    fill(tmp_path, {"cat": 30, "dog": 30})
    shutil.copy(tmp_path / "cat/5.png", tmp_path / "dog/copy.png")
    assert "1 image is in two classes" in whats(examine(tmp_path), "serious")
    images = np.random.default_rng(0).integers(0, 256, (201, 8, 8), dtype=np.uint8)
    images[200] = images[0]
    samples = Samples(np.repeat([0, 1], [200, 1]), ("a", "b"), images=images)
    found = duplicate_findings(prints_of(samples), samples, "train")
    assert [(f.severity, f.what) for f in found if "two" in f.what] == [("warning", "1 image is in two classes")]
    assert found[-1].where == "train 0 (a) = train 200 (b)"


def test_an_image_turned_by_its_metadata_is_a_copy_of_the_upright_one(tmp_path):
    fill(tmp_path, {"a": 12, "b": 12})
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(tmp_path / "a/3.png") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a/turned.png", exif=exif)
    assert "1 of 25 images are exact copies of another" in whats(examine(tmp_path), "warning")


def test_rows_of_numbers_may_be_equal(tmp_path):
    features = np.zeros((20, 3), dtype=np.float32)
    features[:, 0] = np.arange(20) // 2
    np.savez(tmp_path / "features.npz", x=features, y=np.arange(20) // 10, x_test=features[:4], y_test=[0, 0, 1, 1])
    found = examine(tmp_path / "features.npz")
    assert "10 of 20 rows are exact copies of another" in whats(found, "fact")
    assert "4 of 4 rows (100.00 %) have exact copies in train; 2 with another label" in whats(found, "warning")
    assert whats(found, "serious") == []
    assert whats(found, "fact")[0].startswith("20 samples in 2 classes")


def test_a_hash_alone_makes_no_near_copy():
    """Two pictures whose neighbours differ in the same directions, by other amounts."""
    y, x = np.mgrid[0:72, 0:72]
    one = (x // 8 % 2 * 200 + 20).astype(np.uint8)
    other = np.where(x // 8 % 2, 25, 20) + 200 * (y > 36)
    prints = [print_of(Image.fromarray(picture.astype(np.uint8))) for picture in (one, other)]
    assert (prints[0].near ^ prints[1].near).bit_count() <= 2
    small = [np.frombuffer(own.small, dtype=np.uint8).reshape(9, 9).astype(np.float32) for own in prints]
    assert correlation(*small) < 0.5
    assert correlation(small[0], 0.5 * small[0] + 30) == pytest.approx(1)


def test_fish_have_copies_and_none_in_two_classes(fish, real_data):
    whole = read_data(fish)
    chosen = whole.train.take(np.flatnonzero(whole.train.class_counts[whole.train.target] < 300))
    found = duplicate_findings(prints_of(chosen), chosen, "train")
    assert any("exact copies" in what for what in whats(found, "warning"))
    assert not any("two classes" in what for what in whats(found))
