import builtins
import errno
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from longtail.cli import main
from longtail.repair import Fix
from longtail.reports import Page


@pytest.fixture
def predictions(tmp_path):
    rng = np.random.default_rng(0)
    target = np.repeat(np.arange(4), [120, 60, 30, 0])
    logits = rng.normal(size=(len(target), 4)) + 2 * np.eye(4)[target] + [3.0, 1.0, 0.0, -5.0]
    path = tmp_path / "predictions.npz"
    np.savez(path, logits=logits, target=target, class_names=np.array(["cat", "dog", "lynx", "yeti"]))
    return path


def fix(predictions, *options):
    return main(["fix", str(predictions), "--out", str(predictions.with_name("fix.json")), *options])


@pytest.mark.slow
def test_it_ends_with_what_to_do_next(predictions, capsys):
    assert fix(predictions) == 0
    out = capsys.readouterr().out
    said, steps = out.split("What to do next\n")
    assert "Use " in said
    assert f"fix: {predictions.with_name('fix.json')}\nreport: {predictions.with_name('fix.html')}\n" in said
    assert f"longtail evaluate new.csv --fix {predictions.with_name('fix.json')}" in steps
    html = predictions.with_name("fix.html").read_text()
    assert html.index("What to do next</h2>") > html.index("Settings and versions</h2>")
    assert "fix.predict(logits)" in html


@pytest.mark.slow
def test_json_is_all_that_is_on_standard_output(predictions, capsys):
    assert fix(predictions, "--json") == 0
    captured = capsys.readouterr()

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(captured.out, parse_constant=refuse)
    assert content["verdict"] == "use"
    assert content["class_names"] == ["cat", "dog", "lynx", "yeti"]
    assert content["before"]["recall"][3] is None
    assert len(content["before"]["recall"]) == 4
    best = next(candidate for candidate in content["candidates"] if candidate["name"] == content["best"])
    assert math.isclose(best["gain"], best["score"] - content["before"]["score"])
    assert best["interval"][0] <= best["gain"] <= best["interval"][1]
    assert [own["samples"] for own in content["classes"]] == [120, 60, 30, 0]
    assert [own["recall"]["best"] for own in content["classes"]] == best["recall"]
    fitted = Fix.load(content["files"]["fix"])
    np.testing.assert_allclose(content["fix"]["offset"], fitted.offset)
    assert Path(content["files"]["report"]).is_file()
    assert "re-balancing" in captured.err  # progress


@pytest.mark.slow
def test_quiet_prints_the_verdict_and_the_paths(predictions, capsys):
    assert fix(predictions, "--quiet") == 0
    captured = capsys.readouterr()
    verdict, *paths = captured.out.splitlines()
    assert verdict.startswith("Use ")
    assert paths == [f"fix: {predictions.with_name('fix.json')}", f"report: {predictions.with_name('fix.html')}"]
    assert captured.err == "warning: There are no samples of 1 of 4 classes (yeti): the results do not cover them.\n"


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.slow
def test_no_report_leaves_no_report(predictions, capsys, options):
    assert fix(predictions, "--report", "none", *options) == 0
    assert not predictions.with_name("fix.html").exists()
    out = capsys.readouterr().out
    assert json.loads(out)["files"]["report"] is None if options else "report:" not in out


@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]], ids=["text", "json", "quiet"])
@pytest.mark.slow
def test_a_report_that_can_not_be_written_leaves_the_fix(predictions, capsys, monkeypatch, options):
    def full(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Page, "html", full)
    assert fix(predictions, *options) == 2
    captured = capsys.readouterr()
    file = predictions.with_name("fix.json")
    assert f"The report could not be written; {file} is complete." in captured.err
    assert "No space left on device" in captured.err
    assert Fix.load(file).class_names == ("cat", "dog", "lynx", "yeti")
    assert sorted(path.name for path in predictions.parent.iterdir()) == ["fix.json", "predictions.npz"]
    if options == ["--json"]:
        assert json.loads(captured.out)["files"]["report"] is None


@pytest.mark.slow
def test_without_the_extra_for_reports_the_fix_is_written(predictions, capsys, monkeypatch):
    given = builtins.__import__

    def without(name, *rest):
        if name.startswith("longtail.reports") and rest[2] and "fix_page" in rest[2]:
            raise ModuleNotFoundError("longtail.reports.fix_page needs altair")
        return given(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert fix(predictions) == 0
    assert "no report: longtail.reports.fix_page needs altair" in capsys.readouterr().err
    assert predictions.with_name("fix.json").exists()


@pytest.mark.slow
def test_the_fix_is_there_though_nobody_reads_the_table(predictions, monkeypatch):
    class Closed(io.StringIO):
        def write(self, _):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("sys.stdout", Closed())
    assert fix(predictions) == 1
    assert Fix.load(predictions.with_name("fix.json")).class_names == ("cat", "dog", "lynx", "yeti")
