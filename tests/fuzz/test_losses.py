"""Every input of a loss ends in the value of its reference or in an error that names the argument.

A refusal passes only where a fault was put in, and a value only where none was. `--fuzz N` tries more inputs.
"""

import re

import numpy as np
import pytest

from fuzz.trials import FAULTS, TOLERANCES, trial

TRIALS, PARTS = 1000, 10
ERRORS = (ValueError, TypeError, IndexError)


def outcome_of(made, train):
    """The losses, or the error."""
    try:
        criterion = made.case.module(**made.arguments, reduction="none")
        return criterion.train(train)(made.logits, made.target).detach().double().numpy()
    except ERRORS as error:
        return error


def check(seed):
    made = trial(seed)
    about = f"trial({seed}): {made.case.name}, {made.fault}, {made.arguments}"
    found = outcome_of(made, train=True)
    if made.fault is not None:
        assert isinstance(found, ERRORS), f"{about}: not refused"
        assert re.match(r"`\w+` ", str(found)), f"{about}: {found}"
        again = outcome_of(made, train=False)
        assert (type(again), str(again)) == (type(found), str(found)), f"{about}: eval() says {again!r}"
        return made.fault
    assert not isinstance(found, ERRORS), f"{about}: refused: {found}"
    tolerance = TOLERANCES[made.logits.dtype]
    np.testing.assert_allclose(
        found.flatten(), made.expected(), rtol=tolerance, atol=tolerance * made.logits.abs().max().item(), err_msg=about
    )
    return None


@pytest.mark.parametrize("part", range(PARTS))
def test_each_input_ends_in_the_right_value_or_in_an_error_that_names_it(part, request):
    number = (request.config.getoption("--fuzz") or TRIALS) // PARTS
    seen = [check(seed) for seed in range(part * number, (part + 1) * number)]
    assert seen.count(None) > number // 4


def test_every_fault_comes_up():
    assert {trial(seed).fault for seed in range(TRIALS)} == {None, *FAULTS}
