import pytest

from longtail.arguments import guess
from longtail.similar import most_similar


@pytest.mark.parametrize(
    ("word", "meant"), [("epoch", "epochs"), ("EPOCHS", "epochs"), ("bach_size", "batch-size"), ("zzz", "")]
)
def test_the_name_that_was_meant_is_found_whatever_its_case(word, meant):
    assert most_similar(word, ["epochs", "batch-size", "seed"]) == meant


def test_a_gpu_is_no_misspelt_cpu():
    assert most_similar("gpu", ["auto", "cpu", "cuda"]) == "cuda"
    assert guess("gpu", ["auto", "cpu", "cuda"]) == " Did you mean 'cuda'?"
    assert most_similar("gpu", ["cpu"]) == "cpu"
