import importlib.util

import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing as mp
from torchmetrics import Metric, MetricCollection

import longtail.metrics
from longtail.metrics import LongTailMetric, LongTailScalars, long_tail_scores

COUNTS = [300, 40, 8, 2]


def batches(number=3):
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(10, 4, generator=generator), torch.randint(0, 3, (10,), generator=generator))
        for _ in range(number)
    ]


def assert_same(got, want):
    for name in got._fields:
        a, b = getattr(got, name), getattr(want, name)
        if isinstance(a, torch.Tensor):
            torch.testing.assert_close(a, b, equal_nan=True)
        else:
            assert a == b


def test_batches_add_up_to_the_function():
    metric = LongTailMetric(4, COUNTS, many_above=50, few_below=10)
    for logits, target in batches():
        metric.update(logits, target)
    logits, target = (torch.cat(parts) for parts in zip(*batches(), strict=True))
    assert_same(metric.compute(), long_tail_scores(logits, target, class_counts=COUNTS, many_above=50, few_below=10))
    metric.reset()
    metric.update(*batches()[0])
    assert_same(metric.compute(), long_tail_scores(*batches()[0], class_counts=COUNTS, many_above=50, few_below=10))


def test_forward_gives_the_score_of_the_batch():
    metric = LongTailMetric(4)
    logits, target = batches()[1]
    metric.update(*batches()[0])
    assert metric(logits, target).top1 == long_tail_scores(logits, target).top1


def test_scalars_can_be_logged_alone_and_in_a_collection():
    collection = MetricCollection({"tail": LongTailScalars(4, COUNTS), "top": LongTailScalars(4)}, compute_groups=False)
    for logits, target in batches():
        collection.update(logits, target)
    logits, target = (torch.cat(parts) for parts in zip(*batches(), strict=True))
    expected = long_tail_scores(logits, target, class_counts=COUNTS)
    found = collection.compute()
    assert {name for name in found if name.startswith("tail")} == {f"tail_{name}" for name in expected.scalars()}
    for name, value in expected.scalars().items():
        assert found[f"tail_{name}"].item() == pytest.approx(value, nan_ok=True)
    metric = LongTailScalars(4, COUNTS)
    assert metric(*batches()[0])["top1"] == long_tail_scores(*batches()[0]).top1


@pytest.mark.parametrize("kind", [LongTailMetric, LongTailScalars])
def test_scores_are_plotted_alone_and_over_time(kind, monkeypatch):
    drawn = []
    monkeypatch.setattr(Metric, "_plot", lambda _, val, ax: drawn.append((val, ax)))
    metric = kind(4, COUNTS)
    results = [metric(*batch) for batch in batches()]
    metric.plot()
    metric.plot(metric.compute(), ax="axes")
    metric.plot(results)
    wanted = LongTailScalars(4, COUNTS)
    over_time = [wanted(*batch) for batch in batches()]
    assert [ax for _, ax in drawn] == [None, "axes", None]
    torch.testing.assert_close(
        [val for val, _ in drawn], [wanted.compute(), wanted.compute(), over_time], equal_nan=True
    )


def test_a_collection_of_dictionaries_is_plotted_together_or_metric_by_metric(monkeypatch):
    drawn = []
    monkeypatch.setattr("torchmetrics.collections.plot_single_or_multi_val", lambda val, **_: drawn.append(val))
    monkeypatch.setattr(Metric, "_plot", lambda _, val, *_ax: drawn.append(val))
    collection = MetricCollection({"tail": LongTailScalars(4, COUNTS), "all": LongTailScalars(4)}, prefix="val_")
    results = [collection(*batch) for batch in batches()]
    collection.plot(together=True)
    collection.plot(results, together=True)
    torch.testing.assert_close(drawn, [collection.compute(), results], equal_nan=True)
    drawn.clear()
    for metric in collection.values():
        metric.plot()
    torch.testing.assert_close(drawn, [metric.compute() for metric in collection.values()], equal_nan=True)


def test_without_matplotlib_a_plot_says_what_to_install():
    metric = LongTailScalars(4, COUNTS)
    metric.update(*batches()[0])
    if importlib.util.find_spec("matplotlib") is None:
        with pytest.raises(ModuleNotFoundError, match="pip install matplotlib"):
            metric.plot()
    else:
        _, axes = metric.plot()
        assert [line.get_label() for line in axes.lines][:6] == list(metric.compute())


def run_rank(rank: int, rendezvous: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    metric = LongTailMetric(4, COUNTS)
    for logits, target in batches(4)[rank::2]:
        metric.update(logits, target)
    logits, target = (torch.cat(parts) for parts in zip(*batches(4), strict=True))
    assert_same(metric.compute(), long_tail_scores(logits, target, class_counts=COUNTS))
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="torch was built without torch.distributed")
@pytest.mark.slow
def test_two_ranks_see_everything(tmp_path):
    assert mp.spawn(run_rank, (str(tmp_path / "rendezvous"),), nprocs=2) is None


def test_arguments_are_checked_before_anything_is_counted():
    for arguments, message in [
        ({"num_classes": 1}, "`num_classes` must be at least 2"),
        ({"num_classes": 3, "class_counts": COUNTS}, "`class_counts` must hold 3 classes. Got 4"),
        ({"num_classes": 4, "class_counts": COUNTS, "few_below": 500}, "`few_below`"),
    ]:
        with pytest.raises(ValueError, match=message):
            LongTailMetric(**arguments)
    metric = LongTailMetric(4)
    with pytest.raises(ValueError, match="`target` must lie in"):
        metric.update(torch.zeros(2, 4), torch.tensor([0, 7]))
    assert not metric.support.any()


def test_the_package_has_nothing_else():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        longtail.metrics.Nothing  # noqa: B018
