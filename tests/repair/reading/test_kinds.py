"""Logits and probabilities: rounded ones are renormalised and it is said, others are named for what they are."""

import numpy as np
import pytest
import torch

from longtail.repair import Fix, diagnose, read_predictions

PROBABILITIES = {"kind": "probabilities"}


@pytest.fixture(scope="module")
def logits():
    rng = np.random.default_rng(0)
    target = rng.choice(3, 600, p=[0.7, 0.2, 0.1])
    return rng.normal(size=(600, 3)) + 1.5 * np.eye(3)[target] + np.log([0.7, 0.2, 0.1]), target


def softmax(logits):
    exponential = np.exp(logits - logits.max(1, keepdims=True))
    return exponential / exponential.sum(1, keepdims=True)


def halved(probability):
    return torch.from_numpy(probability).bfloat16().float().numpy()


@pytest.mark.parametrize(
    "rounded",
    [lambda p: p.round(2), lambda p: p.round(3), halved, lambda p: p.astype(np.float16)],
)
def test_rounded_probabilities_are_divided_by_their_sums_and_it_is_said(logits, rounded):
    given = rounded(softmax(logits[0]))
    found = read_predictions((given, logits[1]), **PROBABILITIES)
    exact = given.astype(np.float64)
    noticed = np.abs(exact.sum(1) - 1).max() >= 1e-3
    expected = np.maximum(exact / exact.sum(1, keepdims=True) if noticed else exact, found.floor)
    np.testing.assert_allclose(found.logits, np.log(expected), atol=1e-6)
    assert any("sum to 1 only after rounding" in note for note in found.notes) == noticed
    with pytest.raises(
        ValueError,
        match="must hold logits, but its rows sum to 1. If they are probabilities, pass --kind probabilities",
    ):
        read_predictions((given, logits[1]))


@pytest.mark.slow
def test_rounding_hardly_changes_the_diagnosis(logits):
    exact = Fix.from_predictions((softmax(logits[0]), logits[1]), **PROBABILITIES)
    rounded = Fix.from_predictions((softmax(logits[0]).round(2), logits[1]), **PROBABILITIES)
    np.testing.assert_allclose(rounded.offset, exact.offset, atol=0.1)
    with pytest.warns(UserWarning, match="sum to 1 only after rounding"):
        direct = diagnose(softmax(logits[0]).round(2), logits[1], **PROBABILITIES)
    np.testing.assert_array_equal(direct.fix.offset, rounded.offset)


def test_exact_probabilities_are_not_touched(logits):
    found = read_predictions((softmax(logits[0]), logits[1]), **PROBABILITIES)
    np.testing.assert_array_equal(found.logits, np.log(softmax(logits[0])))
    assert found.notes == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda z: 100 * softmax(z), "its rows sum to 100. Probabilities in percent\\? Divide by 100"),
        (lambda z: (100 * softmax(z)).round(1), "its rows sum to 100. Probabilities in percent"),
        (lambda z: 5 * softmax(z), "its rows sum to 5. Sums of the probabilities of 5 models\\? Divide by 5"),
        (lambda z: 1 / (1 + np.exp(-z)), r"row \d+ sums to .* One-vs-rest sigmoids p\? Save log\(p / \(1 - p\)\)"),
        (lambda z: np.log(softmax(z)), "but holds their logarithms. These are valid logits: pass --kind logits"),
        (lambda z: z, "The smallest number is -.* Are they logits\\? Then pass --kind logits"),
        (lambda z: z - z.min(), r"row \d+ sums to .* Are they logits\?"),
        (lambda z: softmax(z).round(1), r"row \d+ sums to 1.1. .* Rounded too much\?"),
        (lambda z: 0.9 * softmax(z), r"row \d+ sums to 0.9\. .* Rounded too much\? Save more decimals"),
    ],
)
def test_what_is_no_probability_is_named(logits, wrong, message):
    with pytest.raises(ValueError, match=message):
        read_predictions((wrong(logits[0]), logits[1]), **PROBABILITIES)
    with pytest.raises(ValueError, match=message):
        diagnose(wrong(logits[0]), logits[1], **PROBABILITIES)


@pytest.mark.parametrize(("times", "message"), [(100, "percent"), (5, "5 models")])
def test_sums_that_no_logits_have_are_named(logits, times, message):
    with pytest.raises(ValueError, match=f"must hold logits, but its rows sum to {times}.*{message}"):
        read_predictions((times * softmax(logits[0]), logits[1]))
    with pytest.raises(ValueError, match=f"must be logits, but its rows sum to {times}.*{message}"):
        diagnose(times * softmax(logits[0]), logits[1])


@pytest.mark.slow
def test_logarithms_of_probabilities_are_logits(logits):
    found = read_predictions((np.log(softmax(logits[0])), logits[1]))
    np.testing.assert_array_equal(found.logits, np.log(softmax(logits[0])))
    assert "logarithms of probabilities" in found.notes[0]
    offset = Fix.from_predictions((np.log(softmax(logits[0])), logits[1])).offset
    np.testing.assert_allclose(offset, Fix.from_predictions(logits).offset, atol=1e-6)


def test_sigmoids_as_logits_are_pointed_out(logits):
    found = read_predictions((1 / (1 + np.exp(-logits[0])), logits[1]))
    assert "If they are one-vs-rest sigmoids p, save log(p / (1 - p))" in found.notes[0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_named(logits, value):
    broken = logits[0].copy()
    broken[16, 2] = value
    with pytest.raises(ValueError, match=f"`source`, row 17, class lynx: {value} must be finite"):
        read_predictions((broken, logits[1]), class_names=["cat", "dog", "lynx"])


@pytest.mark.slow
def test_a_fix_serves_rounded_probabilities_also_a_single_row(logits):
    exact = softmax(logits[0])
    fix = Fix.from_predictions((exact, logits[1]), **PROBABILITIES)
    served = exact / exact.sum(1, keepdims=True)
    for given in (halved(exact), exact.round(2), exact.round(2).astype(np.float32), exact.astype(np.float16)):
        own = np.maximum(given.astype(np.float64) / given.sum(1, dtype=np.float64)[:, None], fix.floor)
        expected = (np.log(own) + fix.offset).argmax(1)
        assert (fix.predict(given) == expected).mean() > 0.99  # ties apart
        off = int(np.abs(given.sum(1, dtype=np.float64) - 1).argmax())
        assert fix.predict(given[off]) == fix.predict(given[off : off + 1])[0]
        np.testing.assert_allclose(fix.predict_proba(given[off]).sum(), 1, rtol=1e-3)
    tensor = torch.from_numpy(served).bfloat16()
    assert fix(tensor).dtype == fix.predict_proba(tensor).dtype == torch.bfloat16
    assert (fix.predict(tensor).numpy() == fix.predict(served)).mean() > 0.98
    with pytest.raises(ValueError, match="`logits` must be probabilities"):
        fix.predict(100 * exact)
    with pytest.raises(ValueError, match="`logits` must be probabilities"):
        fix.predict(0.5 * exact[0])
