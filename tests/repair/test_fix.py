import json

import numpy as np
import pandas as pd
import pytest
import torch

from longtail.repair import Fix, diagnose

NAMES = ("cat", "dog", "lynx")


@pytest.fixture
def fix():
    return Fix(
        np.array([-1.0, 0.25, 0.75]),
        2.0,
        np.array([0.1, 0.0, -0.1]),
        np.array([0.5, 0.3, 0.2]),
        NAMES,
        "balanced accuracy",
        "re-balancing, strength 1",
        {"samples": 10},
    )


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_one_image_at_a_time_is_as_all_together(fix, kind):
    logits = kind(np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32))
    assert type(fix(logits)) is type(logits)
    assert fix(logits).dtype == logits.dtype
    for row in range(6):
        assert (np.asarray(fix(logits[row])) == np.asarray(fix(logits)[row])).all()
        assert int(fix.predict(logits[row])) == int(fix.predict(logits)[row])
        np.testing.assert_allclose(fix.predict_proba(logits[row]), fix.predict_proba(logits)[row], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(fix(logits)), np.asarray(logits) + fix.offset, rtol=1e-6)
    scores = np.asarray(logits, dtype=np.float64) / 2 + fix.probability_offset
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(fix.predict_proba(logits), expected, rtol=1e-5)


def test_a_pandas_table_is_refused_since_its_columns_may_be_in_another_order(fix):
    table = pd.DataFrame(np.eye(3), columns=list(fix.class_names[::-1]))
    for given in (table, table.iloc[0]):
        with pytest.raises(TypeError, match=f"Got {type(given).__name__}. Pass its values in the order of the classes"):
            fix.predict(given)
    values = table[list(fix.class_names)].to_numpy()  # as the message says
    assert fix.predict(values).tolist() == fix.predict(np.eye(3)[:, ::-1]).tolist()


def test_probabilities_follow_another_prior(fix):
    logits = np.random.default_rng(0).normal(size=(6, 3))
    new = np.array([0.2, 0.2, 0.6])
    expected = fix.predict_proba(logits) * new / fix.prior
    np.testing.assert_allclose(fix.predict_proba(logits, new), expected / expected.sum(1, keepdims=True))
    with pytest.raises(ValueError, match="`prior` must sum to 1. Got a sum of 1.5"):
        fix.predict_proba(logits, [0.5, 0.5, 0.5])


def test_it_comes_back_from_its_file(fix, tmp_path):
    loaded = Fix.load(fix.save(tmp_path / "fix.json"), class_names=NAMES)
    for name in ("offset", "probability_offset", "prior"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(fix, name))
    assert (loaded.temperature, loaded.class_names, loaded.metric, loaded.method) == (
        2.0,
        NAMES,
        fix.metric,
        fix.method,
    )
    assert loaded.evidence == {"samples": 10}
    assert (tmp_path / "fix.json").stat().st_size < 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "must name a file written by `save`"),
        ({"version": True}, "Got version True"),
        ({"version": 3}, "Was it written by a newer longtail"),
        ({"offset": None}, "must hold one finite number per class as offset"),
        ({"offset": [0.0, 1.0]}, "must hold one finite number per class as offset"),
        ({"prior": [0.5, None, 0.5]}, "must hold one finite number per class as prior"),
        ({"offset": [0.0, True, 1.0]}, "must hold one finite number per class as offset"),
        ({"offset": [[0.0], 1.0, 2.0]}, "must hold one finite number per class as offset"),
        ({"offset": {"a": 1}}, "must hold one finite number per class as offset"),
        ({"offset": [10**400, 0, 0]}, "must hold one finite number per class as offset"),
        ({"prior": [0, 0, 0]}, "must hold a prior above 0 that sums to 1"),
        ({"prior": [5, 5, 5]}, "must hold a prior above 0 that sums to 1"),
        ({"temperature": 0}, "must hold a temperature between 1e-150 and 1e\\+150. Got 0"),
        ({"temperature": True}, "must hold a temperature between"),
        ({"temperature": "2"}, "must hold a temperature between"),
        ({"temperature": 1e-320}, "must hold a temperature between"),
        ({"temperature": 10**400}, "must hold a temperature between"),
        ({"classes": None}, "must hold the names of at least two classes"),
        ({"classes": [["a"], "b", "c"]}, "must hold the names of at least two classes"),
        ({"classes": ["a", "a", "c"]}, "must hold classes that differ from each other"),
        ({"evidence": None}, "must name a complete fix. Got .* without evidence"),
        ({"metric": 3}, "must name a complete fix. Got .* without metric"),
        ({"takes": "scores"}, "must say whether it takes logits or probabilities. Got 'scores'"),
        ({"cost": {}}, "must hold one finite cost per pair of classes"),
        ({"cost": [[0, 1], [1, 0]]}, "must hold one finite cost per pair of classes"),
    ],
)
def test_a_damaged_file_is_refused(fix, tmp_path, change, message):
    path = fix.save(tmp_path / "fix.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        Fix.load(path)


def test_what_is_no_file_of_a_fix_is_refused(fix, tmp_path):
    path = fix.save(tmp_path / "fix.json")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="is damaged"):
        Fix.load(path)
    with pytest.raises(FileNotFoundError, match="`path` must name a file written by `save`. Got .*none.json"):
        Fix.load(tmp_path / "none.json")


def test_other_classes_are_refused(fix, tmp_path):
    path = fix.save(tmp_path / "fix.json")
    with pytest.raises(ValueError, match="Class 1 is 'dog' there, not 'wolf'"):
        Fix.load(path, class_names=("cat", "wolf", "lynx"))
    with pytest.raises(ValueError, match="It has 3 classes, not 2"):
        Fix.load(path, class_names=("cat", "dog"))
    with pytest.raises(ValueError, match="`logits` must have 3 classes"):
        fix(np.zeros((2, 4)))


def test_logits_are_not_taken_for_probabilities_nor_the_reverse(fix):
    even = np.full((8, 3), 1 / 3)
    assert fix.predict(even[0]) == fix.offset.argmax()  # one image's logits may sum to 1
    for apply in (fix, fix.predict, fix.predict_proba):
        with pytest.raises(ValueError, match="`logits` must be logits, which this fix takes. Their rows sum to 1"):
            apply(even)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_decisions_have_names(fix, kind):
    logits = kind(np.random.default_rng(0).normal(size=(6, 3)))
    names = fix.predict(logits, names=True)
    assert isinstance(names, np.ndarray if kind is np.asarray else list)
    assert list(names) == [NAMES[index] for index in fix.predict(logits).tolist()]
    assert fix.predict(logits[0], names=True) == names[0]
    assert list(fix.predict(logits[:0], names=True)) == []


def test_huge_logits_have_probabilities_too(fix):
    np.testing.assert_allclose(fix.predict_proba(np.array([[1e307, 0.0, 0.0]])), [[1, 0, 0]])


def test_another_prior_is_matched_by_name():
    fix = Fix(np.zeros(2), 1.0, np.zeros(2), np.full(2, 0.5), ("cat", "lynx"), "accuracy", "by hand")
    logits = np.array([[1.0, 0.0]])
    by_name = fix.predict_proba(logits, {"lynx": 0.9, "cat": 0.1})
    np.testing.assert_array_equal(by_name, fix.predict_proba(logits, [0.1, 0.9]))
    with pytest.raises(ValueError, match="`prior` must name classes. Got 'dog'"):
        fix.predict_proba(logits, {"dog": 0.9, "cat": 0.1})


def test_names_as_labels_are_answered_with_what_takes_them():
    names = ["cat", "dog", "cat"]
    with pytest.raises(TypeError, match="`target` must hold class indices. Got names"):
        diagnose(3 * np.eye(2)[[0, 1, 0]], names)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_one_score_of_two_classes_is_that_of_the_second(kind, convert):
    even = np.array([0.5, 0.5])
    fix = Fix(np.array([-1.0, 1.0]), 2.0, np.array([0.2, 0.1]), even, ("no", "yes"), "accuracy", "by hand", takes=kind)
    scores = np.linspace(0.05, 0.95, 7)
    both = np.stack([1 - scores if kind == "probabilities" else np.zeros(7), scores], 1)
    one = convert(scores)[:, None]
    assert list(fix.predict(one)) == list(fix.predict(convert(both)))
    np.testing.assert_allclose(fix.predict_proba(one), fix.predict_proba(both))
    np.testing.assert_allclose(fix(one), fix(both))
    with pytest.raises(ValueError, match=r"Got \(7,\). One score per sample, .* Pass a column: scores\[:, None\]"):
        fix.predict(convert(scores))
    with pytest.raises(ValueError, match="must have 2 classes, as fitted. Got 3"):
        fix.predict(np.zeros((7, 3)))


@pytest.mark.parametrize(
    ("given", "near"), [("class_name", "class_names"), ("class_counts", "counts"), ("fold", "folds")]
)
def test_a_misspelt_option_is_named_with_the_nearest(given, near):
    with pytest.raises(
        TypeError, match=f"`Fix.from_predictions` got an unexpected .* '{given}'. Did you mean .*'{near}'"
    ):
        Fix.from_predictions((np.eye(2), np.arange(2)), **{given: 1})
