import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from longtail.cli import main
from longtail.doctor import examine, tail_shape
from longtail.doctor.copies import near_pairs
from longtail.doctor.prints import print_of
from longtail.doctor.runs import run_findings
from longtail.doctor.tail import half_width
from longtail.recipes import digits_lt
from longtail.runs import RunFolder
from longtail.training import run_experiment
from training.tiny import tiny_cifar10, write_tiny


def picture(seed, size=(24, 20)):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).resize(
        (96, 80), Image.Resampling.BICUBIC
    )


def fill(folder, counts, start=0):
    seed = start
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture(seed).save(folder / name / f"{number}.png")
            seed += 1
    return folder


def whats(found, severity=None):
    return [finding.what for finding in found if severity in (None, finding.severity)]


@pytest.fixture
def healthy(tmp_path):
    fill(tmp_path / "data/train", {"ant": 40, "bee": 25})
    fill(tmp_path / "data/test", {"ant": 10, "bee": 10}, start=1000)
    return tmp_path / "data"


def test_a_healthy_folder_has_no_serious_finding(healthy, capsys):
    found = examine(healthy)
    assert whats(found, "serious") == []
    assert "65 samples in 2 classes; imbalance factor 1.6" in found[-1].what
    assert main(["doctor", str(healthy)]) == 0
    assert "0 serious" in capsys.readouterr().out


def test_the_shape_is_the_one_of_the_textbook():
    counts = np.array([500, 158, 50, 15, 5, 0])
    shape = tail_shape(counts)
    own = counts[:5].astype(float)
    share = own / own.sum()
    gini = np.abs(own[:, None] - own[None]).sum() / (2 * len(own) * own.sum())  # half the relative mean difference
    assert shape.imbalance == 100
    assert shape.gini == pytest.approx(gini)
    assert shape.effective_classes == pytest.approx(np.prod(share**-share))
    assert (shape.classes, shape.samples, shape.many, shape.medium, shape.few) == (6, 728, 2, 1, 2)


def test_classes_that_are_empty_or_unknown_are_serious(healthy):
    (healthy / "train/cod").mkdir()
    fill(healthy / "val", {"cod": 2})
    serious = whats(examine(healthy), "serious")
    assert "1 of 3 classes have no sample" in serious
    assert "1 class has no training sample" in serious


def test_scarce_classes_and_tails_that_can_not_be_measured(tmp_path):
    path, test = tmp_path / "train.csv", tmp_path / "test.csv"
    path.write_text("label\n" + "cat\n" * 300 + "fox\n" * 12 + "lynx\n" * 3)
    test.write_text("label\n" + "cat\n" * 50 + "fox\n" * 4 + "lynx\n" * 4)
    warnings = whats(examine(path, test=test), "warning")
    assert "1 class has fewer than 5 samples" in warnings
    width = 1.96 * np.sqrt(0.25 / 4 * 2) / 2
    assert any(f"can be off by {100 * width:.0f} points by chance" in what for what in warnings)
    assert half_width(np.array([4, 4])) == pytest.approx(width)


def test_the_advised_number_of_samples_would_do(tmp_path):
    path, test = tmp_path / "train.csv", tmp_path / "test.csv"
    path.write_text("label\n" + "0\n" * 300 + "1\n" * 12 + "2\n" * 3)
    test.write_text("label\n" + "0\n" * 50 + "1\n" * 4 + "2\n" * 4)
    advice = next(f.advice for f in examine(path, test=test) if "by chance" in f.what)
    needed = int(advice.split()[1])
    assert half_width(np.array([needed, needed])) <= 0.05 < half_width(np.array([needed - 2, needed - 2]))


def test_broken_images_are_named(healthy):
    whole = (healthy / "train/ant/3.png").read_bytes()
    (healthy / "train/ant/3.png").write_bytes(whole[: len(whole) // 2])
    (healthy / "train/bee/1.png").write_bytes(b"")
    serious = [finding for finding in examine(healthy) if finding.severity == "serious"]
    assert [finding.what for finding in serious] == ["2 of 65 images are corrupt or truncated"]
    assert "3.png" in serious[0].where
    assert "1.png" in serious[0].where


def test_the_same_image_in_both_parts_is_serious(healthy):
    picture(5).save(healthy / "test/bee/copy.png")  # an ant of the training set, under another name and label
    serious = whats(examine(healthy), "serious")
    assert serious == ["1 of 21 images (4.76 %) have exact copies in train; 1 with another label"]


def test_nearly_the_same_image_is_a_warning(healthy):
    picture(7).resize((90, 75)).save(healthy / "test/ant/near.jpg", quality=80)
    found = examine(healthy)
    assert whats(found, "serious") == []
    assert "1 of 21 images (4.76 %) have near copies in train; 0 with" in " ".join(whats(found, "warning"))


def test_near_pairs_are_those_of_a_slow_search():
    rng = np.random.default_rng(0)
    one = [int(value) for value in rng.integers(1, 2**63, 300, dtype=np.uint64)]
    other = [value ^ (1 << int(rng.integers(64))) ^ (1 << int(rng.integers(64))) for value in one[:50]]
    other += [int(value) for value in rng.integers(1, 2**63, 50, dtype=np.uint64)]
    found = {b for _, b in near_pairs(one, other)}
    slow = {b for b, y in enumerate(other) if any((x ^ y).bit_count() <= 2 for x in one)}
    assert found == slow
    flat = print_of(Image.new("RGB", (32, 32), "white")).near
    assert near_pairs([flat], [flat]) == []  # all plain images have one hash, which says nothing


def test_a_list_file_is_compared_with_what_is_there(tmp_path):
    fill(tmp_path / "images", {"a": 3, "b": 3})
    path = tmp_path / "train.txt"
    lines = [f"images/{name}/{number}.png {label}" for label, name in enumerate("ab") for number in range(2)]
    path.write_text("\n".join([*lines, "images/b/9.png 1"]) + "\n")
    found = examine(path)
    assert whats(found, "serious") == ["1 of 5 listed files are missing"]
    assert "2 images are in the listed folders, but not in the list" in whats(found, "fact")
    moved = tmp_path / "lists/train.txt"
    moved.parent.mkdir()
    path.rename(moved)
    assert whats(examine(moved, root=tmp_path), "serious") == ["1 of 5 listed files are missing"]


def test_cifar_is_examined_as_it_is_downloaded(tmp_path):
    folder = write_tiny(tmp_path)
    first = (folder / "data_batch_1.bin").read_bytes()[:3073]
    test = (folder / "test_batch.bin").read_bytes()
    (folder / "test_batch.bin").write_bytes(first + test[3073:])
    with tiny_cifar10():
        found = examine(tmp_path)
    assert "1 of 50 images (2.00 %) have exact copies in train; 0 with another label" in whats(found, "serious")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, settings in {
        "eql": {"loss": "eql"},
        "gala": {"loss": "gala", "loss_arguments": ("lambda_positive=0.0",)},
        "short": {"loss": "ce"},
    }.items():
        run_experiment(digits_lt(epochs=2, **settings), data=None, out=folder / name)
    return folder


@pytest.mark.slow
def test_a_strength_that_does_nothing_is_serious(runs):
    assert any(
        "threshold 0.005 of EQL lies below the rarest class" in what for what in whats(examine(runs / "eql"), "serious")
    )
    assert "lambda_positive of gala is 0: the margins do nothing and the loss is plain cross-entropy" in whats(
        examine(runs / "gala"), "serious"
    )


def test_a_collapsed_tail_is_serious(runs):
    found = whats(examine(runs / "short"), "serious")
    assert any("the tail has collapsed: recall 0.0 % on few" in what for what in found)
    assert any(" never predicted on" in what for what in whats(examine(runs / "short"), "warning"))


@pytest.mark.parametrize("setting", ["beta", "power"])
def test_each_strength_of_a_loss_counts(tmp_path, setting):
    config = {"loss": "class-balanced", "loss_arguments": [f"{setting}=0.0"], "epochs": 9}
    RunFolder.create(tmp_path / "run", config=config, seed=0).log(epoch=2, loss=1.0)
    wanted = f"{setting} of class-balanced is 0: the weights do nothing and the loss is plain cross-entropy"
    assert wanted in whats(examine(tmp_path / "run"), "serious")


def test_a_run_in_progress_is_a_finding(tmp_path):
    RunFolder.create(tmp_path / "run", config={"loss": "ce", "epochs": 9}, seed=0).log(epoch=2, loss=1.0)
    assert whats(examine(tmp_path / "run")) == ["not complete: epoch 2 of 9"]
    finding, *_ = run_findings(RunFolder.open(tmp_path / "run"))
    assert f"Resume it with longtail train --resume {tmp_path / 'run'}." in finding.advice


def test_a_head_of_another_loss_is_serious(runs, tmp_path):
    import shutil

    shutil.copytree(runs / "short", tmp_path / "run")
    header = json.loads((tmp_path / "run/run.json").read_text())
    header["config"]["loss"] = "ldam"
    (tmp_path / "run/run.json").write_text(json.dumps(header))
    assert any(
        "ldam wants a cosine classifier, and has a linear one" in what for what in whats(examine(tmp_path / "run"))
    )


def test_findings_as_json(healthy, capsys):
    (healthy / "train/cod").mkdir()
    assert main(["doctor", str(healthy), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found[0]["severity"] == "serious"
    assert set(found[0]) == {"severity", "what", "where", "advice"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x.txt:", "must hold at least one line"),
        ("x.txt:a.png\n", "must hold a path and a label on each line, or paths whose folder is the class. 'a.png' has"),
        ("x.txt:a.png -1\n", "must hold labels of at least 0. Got -1 at sample 0"),
        ("x.txt:a.png 0 1\n", "must hold one label on each line. Line 1 has several: '0 1'"),
        ("x.csv:name\na\n", "must have a column label"),
        ("x.csv:label\n", "must hold at least one row"),
        ("x.csv:label,path\n,a.png\n", "must hold a label in each row. Line 2 has none"),
        (
            "x.json:{}",
            "`data` must be a folder of class folders, Parquet files or tar shards, a tar file, a list (.txt), a table",
        ),
    ],
)
def test_an_invalid_data_set_is_a_one_line_error(tmp_path, capsys, content, message):
    name, _, text = content.partition(":")
    (tmp_path / name).write_text(text)
    assert main(["doctor", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_or_empty_folder_is_one_line(tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "none")]) == 2
    assert "`path` must exist" in capsys.readouterr().err
    assert main(["doctor", str(tmp_path)]) == 2
    assert "must hold a folder for each class" in capsys.readouterr().err
    (tmp_path / "a").mkdir()
    assert whats(examine(tmp_path), "serious") == ["there is no sample"]


@pytest.mark.slow
def test_many_files_are_read_by_several_processes(tmp_path):
    """More than one part of 500: the order stays."""
    from longtail.doctor.prints import prints_of_files

    paths = []
    for number in range(520):
        paths.append(tmp_path / f"{number}.png")
        Image.new("L", (4, 4), number % 256).save(paths[-1])
    told = []
    prints = prints_of_files(paths, lambda _, share: told.append(share))
    assert [p.exact for p in prints] == [print_of(Image.open(path)).exact for path in paths]
    assert told[-1] == 1


@pytest.mark.parametrize("kind", ["uint16", "float", "alpha"])
def test_images_that_differ_in_what_rgb_does_not_hold_are_no_copies(tmp_path, kind):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        (tmp_path / part / "a").mkdir(parents=True)
        for number in range(12):
            path = tmp_path / part / "a" / f"{number}.{'tif' if kind == 'float' else 'png'}"
            if kind == "uint16":
                Image.fromarray(rng.integers(1000, 60000, (16, 16)).astype(np.uint16)).save(path)
            elif kind == "float":
                Image.fromarray(rng.random((16, 16), dtype=np.float32)).save(path)
            else:
                pixels = np.zeros((16, 16, 4), dtype=np.uint8)
                pixels[..., 3] = rng.integers(0, 256, (16, 16))
                Image.fromarray(pixels).save(path)
    assert whats(examine(tmp_path), "serious") == []
    assert not any("copies" in what for what in whats(examine(tmp_path)))


def test_classes_are_matched_by_name(tmp_path):
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("label\n" + "ant\n" * 30 + "bee\n" * 30 + "cow\n" * 30)
    test.write_text("label\n" + "bee\n" * 30 + "cow\n" * 30 + "zebra\n" * 30)
    found = examine(train, test=test)
    unknown = next(finding for finding in found if "no training sample" in finding.what)
    assert (unknown.severity, unknown.where) == ("serious", "test: zebra")
    assert next(finding for finding in found if "no sample to evaluate on" in finding.what).where == "test: ant"
    assert not any("have no sample" in finding.what for finding in found if finding.where.startswith("train"))
    test.write_text("label\n0\n1\n")
    with pytest.raises(
        ValueError, match="the classes of test must be those of train. Not one is: 0, 1 beside ant, bee, cow"
    ):
        examine(train, test=test)


def test_copies_are_told_by_their_files(healthy):
    picture(5).save(healthy / "test/bee/copy.png")
    where = next(finding.where for finding in examine(healthy) if "exact copies in train" in finding.what)
    assert where == f"{healthy}/test/bee/copy.png = {healthy}/train/ant/5.png"


def test_one_warning_is_no_plural(tmp_path, capsys):
    fill(tmp_path, {"ant": 20, "bee": 20, "cow": 2})
    main(["doctor", str(tmp_path)])
    assert capsys.readouterr().out.endswith("\n0 serious, 1 warning\n")


def test_parts_are_known_whatever_their_case_and_need_a_training_set(tmp_path):
    fill(tmp_path / "a/Train", {"x": 3})
    fill(tmp_path / "a/Test", {"x": 2}, start=100)
    assert "3 samples in 1 class;" in whats(examine(tmp_path / "a"), "fact")[0]
    fill(tmp_path / "b/val", {"x": 3})
    with pytest.raises(ValueError, match="`data` must hold a part named train. Got .*b, which holds validation alone"):
        examine(tmp_path / "b")


def test_a_link_that_leads_back_is_not_followed(tmp_path):
    fill(tmp_path, {"x": 3, "y": 3})
    (tmp_path / "x/again").symlink_to(tmp_path / "x")
    assert "6 samples in 2 classes" in whats(examine(tmp_path), "fact")[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", b"a.png 0\nb.png\n", "must hold a label on each line, or on none. Line 2 has none"),
        ("x.txt", b"photo\n", "must hold a path and a label on each line. Line 1 is 'photo'"),
        ("x.txt", b"caf\xe9.png 1\n", "must be text in UTF-8. Byte 3 is not"),
        ("x.csv", b"label,path\nb\n", "must name a file in each row. Line 2 names none"),
        ("x.csv", b'label\n"' + b"a" * 200_000, "It could not be read: Error tokenizing data"),
        ("x.csv", b"", "must hold a header and rows. It is empty"),
    ],
)
def test_lists_that_can_not_be_read_are_one_line(tmp_path, capsys, name, content, message):
    (tmp_path / name).write_bytes(content)
    assert main(["doctor", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err


def test_options_that_say_nothing_are_refused(runs, tmp_path, capsys):
    assert main(["doctor", str(runs / "short"), "--root", str(tmp_path)]) == 2
    assert f"`root` must be left out for a run, which {runs / 'short'} is. Got {tmp_path}" in capsys.readouterr().err
    assert main(["doctor", str(runs / "short"), "--label", "kind"]) == 2
    assert "`label` must be left out for a run" in capsys.readouterr().err
    assert main(["doctor", str(runs / "short"), "--test", str(tmp_path / "none")]) == 2
    assert "`test` must exist" in capsys.readouterr().err


@pytest.mark.slow
def test_runs_need_no_pillow_and_data_sets_say_that_they_do(tmp_path):
    run_experiment(digits_lt(loss="ce", epochs=1), data=None, out=tmp_path / "run")
    (tmp_path / "photos/cat").mkdir(parents=True)
    picture(0).save(tmp_path / "photos/cat/1.png")
    code = "import sys; sys.modules['PIL'] = None; from longtail.cli import main; sys.exit(main(sys.argv[1:]))"
    of_run, of_photos = (
        subprocess.run(
            [sys.executable, "-c", code, "doctor", str(tmp_path / name)], capture_output=True, text=True, check=False
        )
        for name in ("run", "photos")
    )
    assert of_run.returncode in (0, 1)
    assert "serious" in of_run.stdout
    assert of_photos.returncode == 2
    assert "needs PIL for data sets: pip install 'longtail[doctor]'" in of_photos.stderr
    assert "Traceback" not in of_photos.stderr
