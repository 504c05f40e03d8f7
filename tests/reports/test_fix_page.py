import itertools

import numpy as np
import pytest

from longtail.repair import diagnose
from longtail.reports import fix_page


def long_tailed(num_classes=6, head=120, tail=10, seed=0):
    rng = np.random.default_rng(seed)
    counts = np.linspace(head, tail, num_classes).astype(int)
    target = np.repeat(np.arange(num_classes), counts)
    slant = 3 * np.linspace(1, 0, num_classes)
    return rng.normal(size=(len(target), num_classes)) + 2 * np.eye(num_classes)[target] + slant, target, counts


@pytest.fixture(scope="module")
def found():
    logits, target, counts = long_tailed()
    return diagnose(logits, target, class_counts=10 * counts, class_names=["</script>", "b&b", "c", "d", "e", "f"])


@pytest.fixture(scope="module")
def path(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return fix_page(found, "scores.npz", file=folder / "fix.json").save(folder / "fix.html")


@pytest.fixture(scope="module")
def shown(path, look_at):
    return look_at(path)


@pytest.mark.parametrize("width", ["desktop", "telephone"])
@pytest.mark.slow
def test_every_chart_is_drawn_and_nothing_is_fetched(path, shown, look_at, width):
    page = shown if width == "desktop" else look_at(path, width)
    assert page.complaints == []
    assert len(page.requests) == 1
    assert page.locator("svg.marks").count() == 5
    for chart in page.locator("svg.marks").all():
        assert chart.locator("[role='graphics-symbol'], path").count() > 5
        assert chart.bounding_box()["width"] <= page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("num_classes", [7, 20])
@pytest.mark.slow
def test_on_a_telephone_the_main_columns_are_in_sight(look_at, tmp_path, num_classes):
    logits, target, _ = long_tailed(num_classes)
    names = [f"a class with a rather long name {label}" for label in range(num_classes)]
    own = diagnose(logits, target, class_names=names)
    page = look_at(fix_page(own, file=tmp_path / "fix.json").save(tmp_path / "fix.html"), "telephone")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    seen = ["candidate", "metric", "accuracy"] + (
        ["class", "as it is", own.best] if num_classes == 7 else ["tail third"]
    )
    for heading in seen:
        box = page.locator(f"main > .wide th:text-is('{heading}')").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    for code in page.locator("pre").all():
        assert code.evaluate("own => own.scrollWidth <= own.clientWidth")
    for chart in page.locator("svg.marks").all():
        outside = chart.evaluate(
            """own => [...own.querySelectorAll("text")].filter(text => {
                const box = text.getBoundingClientRect(), frame = own.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
            }).map(text => text.textContent)"""
        )
        assert outside == []


@pytest.mark.slow
def test_labels_of_thirty_long_names_do_not_overlap(look_at, tmp_path):
    logits, target, _ = long_tailed(30, head=30, tail=4)
    own = diagnose(logits, target, class_names=[f"a class with a rather long name {label}" for label in range(30)])
    page = look_at(fix_page(own).save(tmp_path / "fix.html"), "telephone")
    labels = page.locator("svg.marks .role-axis-label text", has_text="a class").all()
    boxes = sorted((label.bounding_box() for label in labels), key=lambda box: (round(box["y"]), box["x"]))
    assert len(boxes) == 60
    for one, two in itertools.pairwise(boxes):
        same_row = abs(one["y"] - two["y"]) < 200
        assert not same_row or two["x"] >= one["x"] + one["width"] - 2


@pytest.mark.slow
def test_bidirectional_and_control_characters_are_shown_as_escapes(look_at, tmp_path):
    logits, target, _ = long_tailed(3)
    own = diagnose(logits, target, class_names=["a\u202eb", "\x1b[31m", "c"])
    path = fix_page(own, "so\u202eurce", file=tmp_path / "fix.json").save(tmp_path / "fix.html")
    assert not {"\u202e", "\x1b"} & set(path.read_text())
    text = look_at(path).locator("body").inner_text()
    assert r"a\u202eb" in text
    assert "\u202e" not in text


@pytest.mark.slow
def test_it_ends_with_what_to_do_next(path, shown):
    assert shown.locator("h2").last.inner_text() == "What to do next"
    assert f"longtail export {path.with_name('fix.json')} --to sql" in shown.locator("pre").all_inner_texts()


@pytest.mark.slow
def test_it_can_be_read_aloud_and_used_by_keyboard(shown):
    for chart in shown.locator(".chart").all():
        assert len(chart.get_attribute("aria-label")) > 60
        assert chart.get_attribute("tabindex") == "0"
    shown.locator("figure > details > summary").first.focus()
    shown.keyboard.press("Enter")
    assert shown.locator("figure > details").first.get_attribute("open") is not None
    assert shown.locator("html").get_attribute("lang") == "en"
    assert shown.locator("h1").count() == 1


@pytest.mark.slow
def test_words_and_numbers_are_those_of_the_diagnosis(found, shown):
    text = shown.locator("main").inner_text()
    assert shown.title() == "A fix helps: scores.npz"
    assert found.summary in text
    best = next(outcome for outcome in found.outcomes if outcome.name == found.best)
    assert f"{100 * best.gain:+.1f}" in text
    assert (
        "</script>" in shown.locator("figure > details").nth(2).text_content()
    )  # a class name is text, whatever it holds


@pytest.mark.slow
def test_a_page_of_very_many_classes_stays_small(look_at, tmp_path, monkeypatch):
    """2,600 classes and two methods: more rows than Altair takes, and more marks than an SVG bears."""
    monkeypatch.setattr("longtail.repair.candidates.MOST_WORK", 0)
    logits, target, counts = long_tailed(2600, head=5, tail=1)
    found = diagnose(logits.astype(np.float32), target, class_counts=counts, metric="macro-f1")
    path = fix_page(found).save(tmp_path / "fix.html")
    assert path.stat().st_size < 5e6
    page = look_at(path)
    assert page.complaints == []
    assert page.locator(".chart canvas").count() >= 1
    assert "skipped, because it would take too long" in page.locator("main").inner_text()


@pytest.mark.slow
def test_other_verdicts_have_a_page_too(tmp_path):
    rng = np.random.default_rng(0)
    target = np.arange(900) % 3
    page = fix_page(diagnose(rng.normal(size=(900, 3)) + 2 * np.eye(3)[target], target))
    assert page.title == "Keep the model: predictions"
    assert "No significant gain" in page.html()
    few = fix_page(diagnose(rng.normal(size=(40, 40)), np.arange(40)))
    assert few.title == "Too few samples to tell: predictions"
    assert few.html().count('class="chart"') == len(few.figures)


@pytest.mark.slow
def test_the_unit_of_a_metric_of_costs_is_said():
    logits, target, _ = long_tailed(3, head=60, tail=30)
    costs = {"metric": "cost", "cost": 5 * (1 - np.eye(3))}
    of_shares, of_costs = (fix_page(diagnose(logits, target, repeats=1, **own)).tables[0] for own in ({}, costs))
    assert of_shares.title == "Scores of each candidate, in %, cross-fitted"
    assert of_costs.title == "Scores of each candidate, metric multiplied by 100, recalls in %, cross-fitted"
