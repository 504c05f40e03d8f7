"""Numbers as pages print them."""

import pytest

from pages.formatting import decimal, listed, percent, signed, spread, table


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(1.25, 1, "1.2"), (-0.04, 1, "0.0"), (-0.05, 2, "−0.05"), (14.97, 1, "15.0"), (7, 0, "7")],
)
def test_decimals(value, places, text):
    assert decimal(value, places) == text


def test_the_last_bit_of_a_mean_does_not_decide_a_half():
    recalls = [0.75, 0.65, 0.675, 0.695]
    assert percent(sum(recalls) / 4) == percent(0.6925) == "69.2"
    assert percent(0.6925 - 1e-16) == percent(0.6925 + 1e-16)


@pytest.mark.parametrize(("share", "text"), [(0.032, "+3.2"), (-0.0146, "−1.5"), (0.0, "0.0"), (-0.0004, "0.0")])
def test_differences_have_a_sign(share, text):
    assert signed(share) == text


def test_spreads():
    assert spread([0.5, 0.52]) == "51.0 ± 1.4"
    assert spread([0.5]) == "50.0"
    assert spread([0.5, None]) == spread([]) == "none"


def test_lists_and_tables():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", 3]) == "a, b and 3"
    assert table(("loss", "all"), [("ce", "1.0")], left=1) == "| loss | all |\n|---|---:|\n| ce | 1.0 |"
