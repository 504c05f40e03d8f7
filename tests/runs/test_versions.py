"""A run says on what it was made."""

import importlib
import importlib.metadata
from pathlib import Path

import longtail
from longtail.runs import RunFolder, current_versions, processor_name, versions


def test_run_json_names_the_processor_and_the_versions(tmp_path):
    versions = RunFolder.create(tmp_path / "run", config={}, seed=0).header["versions"]
    assert versions == current_versions()
    assert versions["processor"] == processor_name()


def test_the_processor_is_told_by_name_family_and_instructions(monkeypatch):
    cpuinfo = (
        "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel\t\t: 18\n"
    )
    monkeypatch.setattr(Path, "is_file", lambda path: path == Path("/proc/cpuinfo"))
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: cpuinfo)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX512")
    assert processor_name.__wrapped__() == "AMD EPYC, family 25, model 17, AVX512"


def test_without_a_list_of_processors_the_platform_is_asked(monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    monkeypatch.setattr("platform.processor", lambda: "arm")
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "DEFAULT")
    assert processor_name.__wrapped__() == "arm, DEFAULT"


def test_the_version_is_known_where_the_package_is_not_installed(monkeypatch):
    def not_installed(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", not_installed)
    monkeypatch.setattr("importlib.metadata.distribution", not_installed)
    assert importlib.reload(versions).current_versions()["longtail"] == longtail.__version__
