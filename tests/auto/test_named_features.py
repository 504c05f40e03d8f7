"""Features of new samples: matched by name wherever there are names."""

import numpy as np
import pandas as pd
import pytest
import torch

import longtail
from longtail.auto.evaluation import evaluate_on
from longtail.auto.named_features import ordered_features
from longtail.data import read_data

RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame(RANDOM.normal(size=(60, 3)), columns=["length", "width", "weight"])
SPECIES = np.repeat(["carp", "eel"], [40, 20])


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    table = TABLE + 3 * (SPECIES == "eel")[:, None] * [1, -1, 0]
    out = tmp_path_factory.mktemp("named") / "run"
    run = longtail.fit((table, SPECIES), out=out, epochs=2, batch_size=8, device="cpu", threads=1)
    return longtail.load(run.path)


@pytest.mark.parametrize(
    "shuffled",
    [
        lambda table: table.iloc[:, ::-1],
        lambda table: table.assign(label="carp")[["label", "weight", "length", "width"]],
        lambda table: table.iloc[:, ::-1].to_dict("records"),
        lambda table: [row for _, row in table.iloc[:, ::-1].iterrows()],
        lambda table: table.iloc[:, ::-1].convert_dtypes(),
    ],
)
def test_columns_in_another_order_give_the_same(predictor, shuffled):
    expected = predictor.probabilities(TABLE.to_numpy())
    np.testing.assert_allclose(predictor.probabilities(shuffled(TABLE)), expected, atol=1e-6)


def test_one_sample_with_names(predictor):
    expected = predictor(TABLE.iloc[0].to_numpy())
    assert predictor(TABLE.iloc[0, ::-1]) == expected
    assert predictor(TABLE.iloc[0, ::-1].to_dict()) == expected
    assert predictor(TABLE.iloc[0].tolist()) == expected
    own = predictor(TABLE.iloc[0].to_numpy(np.float32))
    assert predictor(list(TABLE.iloc[0].to_numpy(np.float32))) == own
    assert predictor(tuple(TABLE.iloc[0].to_numpy(np.float32))) == own
    with pytest.raises(TypeError, match=r"must be one sample. Got 60: predictor.batch\(samples\) takes several"):
        predictor(TABLE)


def test_columns_in_a_dictionary_are_answered_with_what_takes_them(predictor):
    columns = TABLE.to_dict("list")  # as a slice of a data set of Hugging Face
    with pytest.raises(TypeError, match=r"of columns, pass pandas\.DataFrame\(samples\)"):
        predictor.batch(columns)
    assert predictor.batch(pd.DataFrame(columns)) == predictor.batch(TABLE)


def test_no_samples_have_no_probabilities(predictor):
    assert predictor.probabilities(TABLE[:0]).shape == predictor.probabilities([]).shape == (0, 2)


def test_what_is_missing_is_named(predictor):
    with pytest.raises(ValueError, match="1 of 3 are missing: width"):
        predictor.batch(TABLE.drop(columns="width"))
    with pytest.raises(ValueError, match="1 of 3 are missing: weight"):
        predictor({"length": 1.0, "width": 2.0})
    with pytest.raises(TypeError, match="`samples` must have no masked values"):
        predictor.batch(np.ma.masked_greater(TABLE.to_numpy(), 1.0))
    with pytest.raises(ValueError, match=r"Got nan at sample 7, feature 1 \(width\). Fill in missing values"):
        predictor.batch(TABLE.mask((TABLE.index == 7)[:, None] & (TABLE.columns == "width")))
    with pytest.raises(
        ValueError, match=r"must hold numbers as features.* Got 'broad' at sample 0, feature 1 \(width\)"
    ):
        predictor.batch(TABLE.assign(width="broad"))
    rows = TABLE.head(3).to_dict("records")
    rows[2]["weight"] = "heavy"
    with pytest.raises(ValueError, match=r"Got 'heavy' at sample 2, feature 2 \(weight\)\.$"):
        predictor.batch(rows)
    del rows[2]["weight"]
    with pytest.raises(ValueError, match=r"1 of 3 are missing: weight \(sample 2\)\.$"):
        predictor.batch(rows)
    with pytest.raises(ValueError, match=r"Got different numbers of them: 2, 3\.$"):
        predictor.batch([[1.0, 2.0, 3.0], [1.0, 2.0]])


def test_names_are_refused_where_training_had_none(tmp_path):
    run = longtail.fit(
        (TABLE.to_numpy(), SPECIES), out=tmp_path / "run", epochs=1, batch_size=8, device="cpu", threads=1
    )
    predictor = longtail.load(run.path)
    assert len(predictor.batch(TABLE)) == len(TABLE)  # a table is an array with names, as in scikit-learn
    with pytest.raises(ValueError, match=r"Got 'a' at sample 0, feature 3 \(id\); without names in training, all col"):
        predictor.batch(TABLE.assign(id="a"))
    with pytest.raises(ValueError, match="the run was trained on features that have none. Pass arrays"):
        predictor.batch(TABLE.to_dict("records"))


def test_a_table_may_hold_its_columns_in_reverse(tmp_path):
    """pandas then selects a view with a negative stride, which PyTorch does not take."""
    pd.DataFrame({"weight": [1.0, 2.0], "length": [3.0, 4.0]}).to_parquet(tmp_path / "table.parquet")
    table = pd.read_parquet(tmp_path / "table.parquet")
    features = ordered_features(table, ("length", "weight"), 2)
    assert torch.from_numpy(features).tolist() == [[3.0, 1.0], [4.0, 2.0]]


@pytest.mark.parametrize("kind", ["complex64", "datetime64[D]", "timedelta64[D]"])
def test_arrays_that_are_no_numbers_are_refused(kind):
    other = np.arange(120).reshape(60, 2).astype(kind)
    with pytest.raises(ValueError, match=f"must hold numbers as features.* Got {kind.split('[')[0]}"):
        ordered_features(other, None, 2)
    with pytest.raises(ValueError, match=f"`X` must hold numbers. Got {kind.split('[')[0]}"):
        read_data((other, SPECIES))


def test_one_number_is_no_sample(predictor):
    with pytest.raises(ValueError, match=r"must hold 3 features each.* Got the shape \(\)"):
        predictor.batch(np.array(3.0))


def test_tensors_of_any_kind_are_features(predictor):
    expected = predictor.batch(TABLE.to_numpy())
    tensor = torch.tensor(TABLE.to_numpy(), dtype=torch.float32, requires_grad=True)
    assert predictor.batch(tensor) == predictor.batch(list(tensor)) == expected
    assert predictor(tensor[0]) == predictor.batch(tensor[:1], top=2)[0]
    assert len(predictor.batch(tensor.bfloat16())) == len(TABLE)


def test_the_column_of_another_value_is_named(predictor):
    with pytest.raises(ValueError, match=r"Got 'broad' at sample 0, feature 1 \(width\)"):
        predictor.batch(TABLE.assign(width="broad"))


def test_a_name_that_no_feature_has_may_be_there_twice(predictor):
    table = pd.concat([TABLE, pd.DataFrame({"note": ["a"] * 60}), pd.DataFrame({"note": ["b"] * 60})], axis=1)
    assert predictor.batch(table) == predictor.batch(TABLE)
    with pytest.raises(ValueError, match="must name each column once. Got 'width' twice"):
        predictor.batch(pd.concat([TABLE, TABLE[["width"]]], axis=1))


def test_data_to_score_have_as_many_features(predictor):
    with pytest.raises(ValueError, match=r"`data` must hold 3 features each, as the run was trained on. Got 2"):
        evaluate_on(predictor, (TABLE.to_numpy()[:, :2], SPECIES))
