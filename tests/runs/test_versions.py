"""A run says on what it was made."""

from pathlib import Path

from longtail.runs import RunFolder, current_versions, processor_name


def test_run_json_names_the_processor_and_the_versions(tmp_path):
    versions = RunFolder.create(tmp_path / "run", config={}, seed=0).header["versions"]
    assert versions == current_versions()
    assert versions["processor"] == processor_name()


def test_the_processor_is_told_by_name_family_and_instructions(monkeypatch):
    cpuinfo = (
        "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel\t\t: 18\n"
    )
    monkeypatch.setattr(Path, "is_file", lambda path: path == Path("/proc/cpuinfo"))
    monkeypatch.setattr(Path, "read_text", lambda _, errors: cpuinfo if errors else "")
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX512")
    assert processor_name.__wrapped__() == "AMD EPYC, family 25, model 17, AVX512"


def test_without_a_list_of_processors_the_platform_is_asked(monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    monkeypatch.setattr("platform.processor", lambda: "arm")
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "DEFAULT")
    assert processor_name.__wrapped__() == "arm, DEFAULT"
