"""Which columns of a table are what: read by name, refused where names do not tell."""

import io
import re

import numpy as np
import pandas as pd
import pytest

from longtail.repair import read_predictions


def read(text, **options):
    return read_predictions(pd.read_csv(io.StringIO(text), dtype={"label": str}), **options)


def named(found):
    return [found.class_names[index] for index in found.target]


def test_a_column_whose_name_is_a_label_is_a_class():
    found = read("label,cat,dog,path\ncat,2,0,x.png\ndog,0,1,y.png\n")
    assert found.class_names == ("cat", "dog")
    assert named(found) == ["cat", "dog"]
    assert "the table: columns that are not used: 'path'." in found.notes


@pytest.mark.parametrize("names", ["0,1,2", "1,2,3", "2,0,1"])
def test_columns_that_count_are_classes_though_one_has_no_sample(names):
    first, second, _ = names.split(",")
    found = read(f"label,{names}\n{first},2,0,0\n{second},0,1,0\n")
    assert found.class_names == tuple(names.split(","))
    assert named(found) == [first, second]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("label,prob_cat,prob_dog\ncat,2,0\ndog,0,1\n", {}, ("cat", "dog")),
        ("label,p0,p1,p2\n0,2,0,0\n1,0,1,0\n", {}, ("0", "1", "2")),
        ("label,prob_cat,prob_dog,prob_lynx\ncat,2,0,0\ndog,0,1,0\n", {"classes": "prob_*"}, ("cat", "dog", "lynx")),
        ("label,cat_prob,dog_prob,fold\ncat,2,0,1\ndog,0,1,2\n", {"classes": "*_prob"}, ("cat", "dog")),
        ("label,cat,dog,fold\ncat,2,0,1\ndog,0,1,2\n", {"ignore": "fold"}, ("cat", "dog")),
        ("label,cat,dog,f_1,f_2\ncat,2,0,1,1\ndog,0,1,2,1\n", {"ignore": ["f_*"]}, ("cat", "dog")),
        ("label,cat,dog,lynx\ncat,2,0,1\ndog,0,1,2\n", {"class_names": ["dog", "lynx", "cat"]}, ("dog", "lynx", "cat")),
        ("label,p_cat,p_dog,fold\ncat,2,0,1\ndog,0,1,2\n", {"class_names": "dog,cat"}, ("dog", "cat")),
        (
            "label,cat,dog,lynx\ncat,2,0,1\ndog,0,1,2\n",
            {"counts": {"lynx": 1, "dog": 2, "cat": 3}},
            ("cat", "dog", "lynx"),
        ),
    ],
)
def test_classes_are_told_by_prefixes_patterns_lists_and_counts(text, options, expected):
    found = read(text, **options)
    assert found.class_names == expected
    assert named(found) == ["cat", "dog"] if "cat" in expected else ["0", "1"]


def test_a_prefix_that_is_taken_off_is_said():
    assert (
        "the table: the prefix 'prob_' is removed from the class names."
        in read("label,prob_cat,prob_dog\ncat,2,0\ndog,0,1\n").notes
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "label,cat,dog,fold,confidence\ncat,2,0,1,.5\ndog,0,1,2,.7\n",
            "the columns 'fold', 'confidence' hold numbers, .* ignore them with --ignore fold,confidence",
        ),
        ("label,cat,dog,lynx\ncat,2,0,1\ndog,0,1,2\n", "the column 'lynx' .* with --class-names cat,dog,lynx"),
        (
            "label,cat,sea bass,it's\ncat,2,0,1\nsea bass,0,1,2\n",
            """with --class-names 'cat,sea bass,it'"'"'s' \\(or .* with --ignore 'it'"'"'s'\\.""",
        ),
        (
            'label,cat,"ox, red",lynx\ncat,2,0,1\n"ox, red",0,1,2\n',
            "with --class-names FILE, with one name per line",
        ),
        (
            "label,cat,dog,weight\ncat,2,0,-0.5\ndog,0,1,0.5\n",
            "Pass --weight weight for sample weights; for a class, list all classes: --class-names cat,dog,weight",
        ),
        ("label,p_cat,p_dog,p_lynx\ncat,2,0,1\ndog,0,1,2\n", "the column 'p_lynx' .* with --classes 'p_\\*'"),
        ("label,01,02\n1,2,0\n2,0,1\n", "the columns '01', '02' hold numbers, and no label"),
        ("label,dog,cat\n0.0,2,0\n1.0,0,1\n", "the columns 'dog', 'cat' hold numbers, and no label"),
        ("label,p_a,p_b,q_a,q_b\na,1,0,1,0\nb,0,1,0,2\n", "several sets of columns .* --classes 'p_\\*'"),
        ("label,target,a,b\na,0,1,0\nb,1,0,2\n", "may be the label: 'label', 'target'. Name it with --label label"),
        ("label,x.png\na,u\nb,v\n", "must have a column of scores for each of at least two classes. Got none"),
        ("score,a\n1,0\n2,1\n", "must have a column of labels, called label"),
        ("label,a,b,weight,weights\na,1,0,1,1\nb,0,1,1,1\n", "several columns for --weight: 'weight', 'weights'"),
    ],
)
def test_what_names_do_not_tell_is_refused_with_the_option_that_does(text, message):
    with pytest.raises(ValueError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore": "flod"}, "--ignore must match columns of the table. Got 'flod'; most similar: 'fold'"),
        ({"label": "lable"}, "--label must be a column of the table. Got 'lable'; most similar: 'label'"),
        ({"classes": "prob"}, r"--classes must be a pattern with one \*"),
        ({"classes": "prob_*"}, "--classes must match columns of the table. 'prob_\\*' matches none"),
        ({"class_names": ["cat", "dgo"]}, "There is no column for 'dgo'; most similar to 'dgo': 'dog'"),
    ],
)
def test_options_that_name_nothing_are_refused_with_the_nearest(options, message):
    with pytest.raises(ValueError, match=message):
        read("label,cat,dog,fold\ncat,2,0,1\ndog,0,1,2\n", **options)


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "idx", "id", "index", "sample_id"])
def test_a_column_that_numbers_the_rows_is_no_class(name):
    found = read(f"{name},label,a,b\n0,a,2,0\n1,b,0,1\n2,a,1,0\n")
    assert found.class_names == ("a", "b")
    assert any("numbers the rows and is not used" in note for note in found.notes)


def test_an_index_that_repeats_is_asked_about():
    with pytest.raises(ValueError, match="the column 'idx' holds numbers, .* ignore it with --ignore idx"):
        read("idx,label,a,b\n0,a,2,0\n0,b,0,1\n")
    assert read("idx,label,a,b\n0,a,2,0\n0,b,0,1\n", id="idx").class_names == ("a", "b")


@pytest.mark.parametrize("names", [("person", "group", "animal"), ("height", "weight", "depth"), ("id", "target", "y")])
def test_classes_may_be_called_like_other_columns(names):
    rows = "".join(
        f"{name},{','.join(f'{0.3 * (j == i) + 0.1:.2f}' for j in range(3))}\n" for i, name in enumerate(names)
    )
    found = read(f"label,{','.join(names)}\n{rows}")
    assert found.class_names == names
    assert named(found) == list(names)
    assert found.groups is None
    assert found.sample_weight is None


@pytest.mark.parametrize(("name", "option"), [("group", "group"), ("weight", "weight")])
def test_a_class_without_a_sample_that_is_called_like_another_column_is_asked_about(name, option):
    rows = "".join(f"{'ab'[i % 2]},{i / 7 + 0.01:.3f},2.5,0.2\n" for i in range(30))
    with pytest.raises(
        ValueError, match=f"'{name}' may hold .* Pass --{option} {name} for .* --class-names a,b,{name}"
    ):
        read(f"label,{name},a,b\n{rows}")
    assert read(f"label,{name},a,b\n{rows}", class_names=["a", name, "b"]).class_names == ("a", name, "b")
    used = read(f"label,{name},a,b\n{rows}", **{option: name})
    assert used.class_names == ("a", "b")
    assert (used.groups if option == "group" else used.sample_weight) is not None


def test_weights_of_any_values_are_read_where_the_classes_are_named():
    rows = "".join(f"{'ab'[row % 2]},{row},0,{0.5 + row / 7}\n" for row in range(20))
    with pytest.raises(ValueError, match="may hold sample weights or the scores of a class"):
        read(f"label,p_a,p_b,weight\n{rows}")
    found = read(f"label,p_a,p_b,weight\n{rows}", classes="p_*")
    assert found.class_names == ("a", "b")
    assert found.sample_weight[1] == pytest.approx(0.5 + 1 / 7)


def test_groups_and_weights_are_read_by_their_usual_names_and_that_is_said():
    found = read("label,a,b,group,weight\na,2,0,007,2\nb,0,1,8,0.5\n")
    assert found.sample_weight.tolist() == [2.0, 0.5]
    assert found.groups.tolist() == ["7", "8"]
    assert any("groups are read from the column 'group' (--group names another)" in note for note in found.notes)
    assert any("sample weights are read from the column 'weight'" in note for note in found.notes)


def test_label_columns_of_other_names_and_cases():
    assert named(read("Label,a,b\na,2,0\nb,0,1\n")) == ["a", "b"]
    for name in ("true_label", "y_true", "ground_truth"):
        assert named(read(f"{name},a,b\na,2,0\nb,0,1\n")) == ["a", "b"]
    assert named(read("klasse,a,b\na,2,0\nb,0,1\n", label="klasse")) == ["a", "b"]
    assert named(read("label,target,a,b\na,0,1,0\nb,1,0,2\n", ignore="target")) == ["a", "b"]
    assert named(read("y,label,other\nlabel,2,0\nother,0,1\n")) == ["label", "other"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "the table, row 2, column a: the cell is empty"),
        ("nan", "the table, row 2, column a: the cell is empty"),
        ("inf", "the table, row 2, column a: inf must be finite"),
        ("90%", "the table, row 2, column a: '90%' is not a number. Write 0.9 for 90%."),
        ("1_000", "the table, row 2, column a: '1_000' is not a number"),
    ],
)
def test_a_cell_that_is_no_number_is_named(cell, message):
    with pytest.raises(ValueError, match=message):
        read(f"label,a,b\na,1,0\nb,{cell},1\nb,0,1\n")


def test_trailing_commas_are_no_column():
    assert read("label,a,b,\na,2,0,\nb,0,1,\n").class_names == ("a", "b")


@pytest.mark.parametrize(
    ("text", "options", "names"),
    [
        ("label,score\nno,-2\nyes,1.5\n", {"class_names": ["no", "yes"]}, ("no", "yes")),
        ("label,yes\nno,-2\nyes,1.5\n", {}, ("no", "yes")),
        ("label,1\n0.0,-2\n1.0,1.5\n", {}, ("0", "1")),
        ("label,yes,fold\nno,-2,1\nyes,1.5,2\n", {"class_names": "no,yes"}, ("no", "yes")),
    ],
)
def test_one_column_of_scores_is_that_of_the_second_class(text, options, names):
    found = read(text, **options)
    assert found.class_names == names
    assert found.target.tolist() == [0, 1]
    assert found.logits.tolist() == [[0, -2], [0, 1.5]]
    assert any("is read as the scores of the second of" in note for note in found.notes)


def test_one_column_of_probabilities():
    found = read("label,p\nno,0.25\nyes,0.9\n", class_names=["no", "yes"], kind="probabilities")
    np.testing.assert_allclose(np.exp(found.logits), [[0.75, 0.25], [0.1, 0.9]])
    with pytest.raises(
        ValueError, match="'p' holds numbers, .* --class-names no,yes, which makes it the scores of the"
    ):
        read("label,p\nno,0.25\nyes,0.9\n", kind="probabilities")


@pytest.mark.parametrize(
    ("columns", "pattern"),
    [("P({})", "P(*)"), ("{}_score", "*_score"), ("score[{}]", "score[*]"), ("{} %", "* %")],
)
def test_the_suggested_pattern_has_what_stands_around_the_class_names(columns, pattern):
    text = f"label,{columns.format('cat')},{columns.format('dog')}\ncat,2,0\ndog,0,1\n"
    with pytest.raises(ValueError, match=f"list all classes with --classes '{re.escape(pattern)}'\\."):
        read(text)
    assert read(text, classes=pattern).class_names == ("cat", "dog")
    with pytest.raises(ValueError, match=f"no column for 'cat', 'dog'; .* Pass --classes '{re.escape(pattern)}'\\."):
        read(text, class_names="cat,dog")


def test_a_pattern_under_which_no_label_is_a_class_is_not_suggested():
    with pytest.raises(ValueError, match=r"labels are called 'fox', 'bear'\. .* --class-names 'red fox,grey fox'"):
        read("label,red fox,grey fox\nfox,2,0\nbear,0,1\n")


def test_the_suggested_names_of_two_classes_are_those_of_the_labels():
    with pytest.raises(ValueError, match="labels are called '1', '0'.* --class-names 0,1, which makes it the scores"):
        read("label,sigmoid\n1,0.9\n0,0.25\n", kind="probabilities")


def test_signs_that_turn_text_are_shown_as_codes():
    with pytest.raises(ValueError, match="the column") as error:
        read("label,a,b,\u202ec\na,2,0,1\nb,0,1,1\n")
    assert "\u202e" not in str(error.value)
    assert "--ignore '\\u202ec'" in str(error.value)


@pytest.mark.parametrize("columns", [["label", "scores"], ["label", "cat", "dog"]])
def test_a_table_without_rows_is_refused(columns):
    with pytest.raises(ValueError, match="the table must hold at least one row. Got none"):
        read_predictions(pd.DataFrame(columns=columns), class_names=["cat", "dog"])


def test_one_column_never_stands_for_two_classes_that_both_have_one():
    text = "label,cat,dog\ncat,2,0\ndog,0,1\n"
    for options in ({"weight": "cat"}, {"ignore": "cat"}, {"ignore": "cat", "class_names": "cat,dog"}):
        with pytest.raises(ValueError, match="must have a column of scores for each|There is no column for 'cat'"):
            read(text, **options)
    assert named(read("label,dog\ncat,-2\ndog,1\n")) == ["cat", "dog"]


def test_text_with_bytes_of_0_is_no_table(tmp_path):
    (tmp_path / "p.csv").write_bytes("label,cat,dog\ncat,2,0\ndog,0,1\n".encode("utf-16-le"))
    with pytest.raises(ValueError, match="UTF-16 without a byte order mark"):
        read_predictions(tmp_path / "p.csv")


def test_a_parquet_file_with_damaged_notes_of_pandas_is_refused(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.Table.from_pandas(pd.DataFrame({"label": ["cat", "dog"], "cat": [2.0, 0], "dog": [0, 1.0]}))
    notes = table.schema.metadata[b"pandas"].replace(b'"pandas_type": "unicode"', b'"pandas_type": "unicodc"')
    parquet.write_table(table.replace_schema_metadata({b"pandas": notes}), tmp_path / "p.parquet")
    with pytest.raises(ValueError, match="p.parquet must be a Parquet file. It could not be read"):
        read_predictions(tmp_path / "p.parquet")


@pytest.mark.parametrize(("name", "option"), [("label", {}), ("species", {"label": "species"})])
def test_labels_may_be_the_index(tmp_path, name, option):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pd.DataFrame(
        {"cat": [2.0, 0.5, 1.0], "dog": [1.0, 1.5, 0.0]}, index=pd.Index(["cat", "dog", "cat"], name=name)
    )
    table.to_parquet(tmp_path / "t.parquet")
    for source in (table, tmp_path / "t.parquet"):
        found = read_predictions(source, **option)
        assert found.class_names == ("cat", "dog")
        assert found.target.tolist() == [0, 1, 0]
