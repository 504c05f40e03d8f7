"""What is said of images that can't be predicted."""

import re

import pandas as pd
import pytest

from data.pictures import picture
from longtail.cli.images_to_predict import ImagesToPredict
from longtail.data.images.decoding import BadImageError


def test_the_first_bad_images_are_named_each_in_its_own_sentence(tmp_path):
    pd.DataFrame({"image": [picture(1), *[b""] * 7]}).to_parquet(tmp_path / "a.parquet")
    images = ImagesToPredict([tmp_path / "a.parquet"])

    def decode(group):
        raise BadImageError("a.parquet:1", "it has no bytes")

    named = f"`files` must be images. 7 of 8 can't be decoded: {tmp_path}/a.parquet:1 must be "
    with pytest.raises(ValueError, match=f"^{re.escape(named)}") as error:
        images.predicted(decode)
    said = str(error.value)
    assert said.endswith("it has no bytes. And 2 more. Replace them, or leave them out with --on-bad-file skip.")
    assert ".," not in said


@pytest.mark.parametrize(("suffix", "what"), [(".png", "files"), (".parquet", "images")])
def test_what_is_left_out_is_called_by_what_it_is(tmp_path, suffix, what, capsys):
    for name, content in (("a", picture(1)), ("b", b"cut off")):
        file = tmp_path / f"{name}{suffix}"
        if suffix == ".png":
            file.write_bytes(content)
        else:
            pd.DataFrame({"image": [{"bytes": content, "path": f"{name}.png"}]}).to_parquet(file)
    images = ImagesToPredict(sorted(tmp_path.iterdir()))
    images.leave_out_bad(lambda *_: None)
    assert f"1 of 2 {what} are bad and left out: {tmp_path}/b" in capsys.readouterr().err
    assert len(images.names) == 1
