import numpy as np
import torch

from longtail.posthoc.anderson import FARTHEST, Anderson


def quadratic(seed, size=20):
    """A x = b with eigenvalues of A in (0, 1]: x + (b − A x) never increases ½ xᵀ A x − bᵀ x."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(size, size)))
    matrix = torch.from_numpy(basis * np.geomspace(1e-2, 1, size) @ basis.T)
    return matrix, torch.from_numpy(rng.normal(size=size))


def evaluations(problems, weight, rounds=400):
    """The number of evaluations until each search has a step of at most 1e-6; and the searches."""
    search = Anderson(weight, slack=1e-13)
    active, needed = torch.arange(len(problems)), [0] * len(problems)
    for number in range(1, rounds):
        steps = torch.stack([b - a @ search.offset[s] for s, (a, b) in enumerate(problems)])[active]
        values = [x @ a @ x / 2 - b @ x for x, (a, b) in zip(search.offset, problems, strict=True)]
        unfinished = steps.abs().amax(1) > 1e-6
        for s in active[~unfinished]:
            needed[s] = number
        active = active[unfinished]
        if not len(active):
            break
        search.advance(active, steps[unfinished], steps[unfinished], torch.stack(values)[active])
    return needed, search


def test_several_quadratic_functions_are_minimised_together_and_soon():
    problems = [quadratic(seed) for seed in range(3)]
    needed, search = evaluations(problems, torch.full((3, 20), 1 / 20, dtype=torch.float64))
    for (matrix, right), found in zip(problems, search.offset, strict=True):
        np.testing.assert_allclose(found, torch.linalg.solve(matrix, right), atol=1e-2)
    assert min(needed) > 0
    assert max(needed) < 100  # the plain iteration takes about 1,400
    alone, _ = evaluations(problems[1:2], torch.full((1, 20), 1 / 20, dtype=torch.float64))
    assert alone == needed[1:2]


def test_an_increase_is_taken_back_by_a_plain_step():
    search = Anderson(torch.ones(1, 2, dtype=torch.float64), slack=0.0)
    steps = torch.tensor([[[1.0, 0.5]], [[0.5, -0.5]], [[9.0, 9.0]]], dtype=torch.float64)
    offsets = []
    for step, value in zip(steps, torch.tensor([3.0, 2.0, 4.0], dtype=torch.float64), strict=True):
        offsets.append(search.offset[0].clone())
        search.advance(torch.tensor([0]), step, 3 * step, value[None])
    best = offsets[1]
    assert (offsets[2] != best + steps[1, 0]).any()
    np.testing.assert_array_equal(search.best_offset[0], best)
    np.testing.assert_array_equal(search.offset[0], best + steps[1, 0])


def test_a_step_that_hardly_changes_is_not_extrapolated_without_bounds():
    search = Anderson(torch.ones(1, 2, dtype=torch.float64), slack=0.0)
    active, step = torch.tensor([0]), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    search.advance(active, step, step, torch.ones(1, dtype=torch.float64))
    step = step * (1 - 1e-9)
    search.advance(active, step, step, torch.zeros(1, dtype=torch.float64))
    np.testing.assert_allclose(search.offset[0], [1.0 + FARTHEST, 0.0], rtol=1e-6)
