"""What the parser refuses is one line like all other errors."""

import pytest

from longtail.cli import main


@pytest.fixture
def photos(tmp_path, monkeypatch):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("train photos --epochs 0", "`epochs` must be at least 1. Got 0."),
        (
            "train photos --epoch 3",
            "--epoch is no option of longtail train features. Did you mean --epochs? longtail train features --help "
            "lists them all.",
        ),
        (
            "train digits-lt --augment light",
            "--augment is no option of longtail train digits-lt, but of the recipes features, finetune, scratch, "
            "imagenet-lt, places-lt, inaturalist18. Type: longtail train features --data PATH --augment …",
        ),
        (
            "train photos --epochs three",
            "--epochs must be an integer. Got 'three'. longtail train features --help explains it.",
        ),
        ("train photos --epochs", "--epochs must be an integer. Got none. longtail train features --help explains it."),
        (
            "train photos --mean 1 2 x",
            "--mean must be numbers with spaces between them. Got '1 2 x'. longtail train features --help explains it.",
        ),
        ("train photos --size big --seed 1", "--size must be an integer. Got 'big'."),
        ("train photos --augment ligth", "randaugment-n2-m10. Got 'ligth'. Did you mean light?"),
        ("train photos --augmentations crop flop", "auto_augment, cutout. Got 'crop flop'. Did you mean flip?"),
        ("train photos --device gpu", "--device must be one of auto, cpu, cuda. Got 'gpu'. Did you mean cuda?"),
        ("train photos --pretrained maybe", "--pretrained must be True or False. Got 'maybe'."),
        ("train photos more", "`longtail train` must have no further argument. Got 'more'."),
        ("train photos --resume --no-download", "--no-download is no option of longtail train features. Did you mean"),
        ("train", "`longtail train` must have a recipe or the path of the data. Got none. Try longtail train photos/."),
        ("train --resume", "--resume must name a run where no recipe or data are given. Type: longtail train --resume"),
        ("train --resume run --date x", "--date is no option of longtail train --resume RUN. Did you mean --data?"),
        (
            "train scratch --seed 1",
            "--data must name your own data. Got none. Try longtail train scratch --data photos/.",
        ),
        ("train run", "`data` must be data. Got the run run. Name the data that it was trained on, or others."),
        ("compare photos", "--methods must be given. Got none. Try longtail compare photos/ --methods ce,gala,crt."),
        ("compare photos --method ce", "--method is no option of longtail compare features. Did you mean --methods?"),
        ("predict", "RUN must be given. Got none. Try longtail predict runs/LATEST new/*.jpg."),
        ("predict run a.png --prior equal", "--prior must be one of uniform, training. Got 'equal'."),
        (
            "export fix.json --to cobol",
            "--to must be one of python, numpy, sql, javascript, sklearn, onnx. Got 'cobol'.",
        ),
        ("doctor", "DATA or RUN must be given. Got none. Try longtail doctor photos/."),
        ("doctor photos photos", "`longtail doctor` must have no further argument. Got 'photos'."),
        (
            "doctor photos --label a b",
            "--label must have one value. Got 2: a b. If it has spaces, quote it: --label 'a b'",
        ),
        ("fix p.csv --metrik accuracy", "--metrik is no option of longtail fix. Did you mean --metric?"),
        ("fix p.csv --lable y", "--lable is no option of longtail fix. Did you mean --label?"),
        ("fix p.csv --jsn", "--jsn is no option of longtail fix. Did you mean --json?"),
        ("fix p.csv --json yes", "--json must have no value. Got 'yes'. Type --json alone, or leave it out."),
        ("report run -out a.html", "-out is no option of longtail report. Did you mean --out?"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_type(photos, typed, line, capsys):
    assert main(typed.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"longtail: {line}") or line in said
    assert said.count("\n") == 1
    assert "None" not in said


def test_names_with_spaces_after_commas_are_to_be_written_without(photos, capsys):
    for typed in ("ce, crt", "ce crt"):
        assert main(["compare", "photos", "--methods", *typed.split()]) == 2
        said = f"--methods must be one word, without spaces. Got '{typed}'. Type: --methods ce,crt"
        assert said in capsys.readouterr().err
    assert main(["fix", "a", "b", "--class-names", "a,", "b"]) == 2
    assert "Got 'a, b'. Type: --class-names a,b" in capsys.readouterr().err


def test_a_parser_that_can_not_be_told_prints_its_own_error(photos, monkeypatch, capsys):
    monkeypatch.delattr("tyro._errors.on_parse_error")
    with pytest.raises(SystemExit) as ended:
        main(["report", "--frce"])
    assert ended.value.code == 2
    assert "--force" in capsys.readouterr().err
