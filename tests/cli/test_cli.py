"""What the commands print, and how they fail: one line, exit code 2, nothing left behind."""

import importlib
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import longtail
from longtail.cli import main
from longtail.cli.commands import COMMANDS
from longtail.runs import RunFolder
from training.tiny import TINY_OPTIONS, replaced, tiny_cifar10


@pytest.fixture(scope="module")
def run(tiny_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "gala"
    with tiny_cifar10():
        command = ["train", "cifar10-lt", "--data", str(tiny_data), "--out", str(path), *TINY_OPTIONS]
        assert main([*command, "--learning-rate", "0.002"]) == 0
    return path


@pytest.mark.slow
def test_training_prints_its_progress_its_result_and_its_folder(tiny, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["train", "cifar10-lt", "--data", str(tiny), *TINY_OPTIONS, "--loss", "ce", "--seed", "5"]
    assert main(command) == 0
    said = capsys.readouterr()
    lines = said.err.splitlines()
    path = (
        "runs/cifar10-lt-imbalance4-ce-model_resnet8-cifar-epochs_3-batch_size_16-evaluate_every_2-device_cpu-"
        "threads_1-seed5"
    )
    assert lines[0] == f"run: {path}"
    assert lines[1].startswith("105 training samples, resnet8-cifar, ce, cpu, ")
    assert re.fullmatch(r"epoch 2/3  loss \d\.\d{3}  lr 0\.1000  [\d,]+ samples/s  \d s left  test \d+\.\d %", lines[3])
    assert lines[5:] == ["scoring the training and test samples"]
    assert f"run: {path}" in said.out
    result = RunFolder.open(path).result
    assert f"raw  {100 * result['test']['raw']['top1']:.1f}" in re.sub(" +", "  ", said.out)
    assert "transductive: fitted on the unlabelled test set" in said.out
    assert "best of 2 evaluated epochs, chosen on the test set, raw" in said.out
    assert "inductive: re-balanced by a fit on the training samples, augmented once more" in said.out
    assert "many: more than 100 training samples, few: fewer than 20" in said.out


def rows(said: str) -> dict[str, float]:
    return {
        m[1]: float(m[2]) for m in re.finditer(r"^((?:raw|inductive|transductive)[^:\n]*?)  +(\d+\.\d)", said, re.M)
    }


@pytest.mark.parametrize(
    ("options", "treatment"),
    [
        ([], "inductive"),
        (["--rebalance", "0.5"], "inductive, τ = 0.5"),
        (["--converge"], "inductive, fixed point"),
        (["--transductive"], "transductive"),
        (["--transductive", "--converge", "--rebalance", "1.5"], "transductive, fixed point, τ = 1.5"),
        (["--fit-on", "train"], "inductive, fitted on train"),
        (["--rebalance", "off"], None),
    ],
)
@pytest.mark.slow
def test_evaluation_scores_the_saved_logits(run, capsys, options, treatment):
    assert main(["evaluate", str(run), *options]) == 0
    said = rows(capsys.readouterr().out)
    assert set(said) == ({"raw", treatment} if treatment else {"raw"})
    logits, target = RunFolder.open(run).load_predictions("test")
    assert said["raw"] == pytest.approx(100 * np.mean(logits.argmax(1) == target), abs=0.05)
    stored = RunFolder.open(run).result["test"]
    if treatment in stored:
        assert said[treatment] == pytest.approx(100 * stored[treatment]["top1"], abs=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rebalance", "much"], "--rebalance must be a number of at least 0, or \"off\". Got 'much'."),
        (["--rebalance", "-1"], "`rebalance` must be finite and at least 0"),
        (["--rebalance", "off", "--converge"], "`rebalance` must be on for `converge`"),
        (["--transductive", "--fit-on", "train"], "`fit_on` must be left out with `transductive`"),
        (["--fit-on", "test"], "must be another set"),
        (["--fit-on", "validation"], "(augmented, train). Got 'validation'."),
    ],
)
@pytest.mark.slow
def test_contradicting_options_of_evaluate_are_refused(run, capsys, options, message):
    assert main(["evaluate", str(run), *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_evaluation_wants_a_complete_training_run(tmp_path, capsys):
    assert main(["evaluate", str(tmp_path / "none")]) == 2
    assert "must be a run folder" in capsys.readouterr().err
    folder = RunFolder.create(tmp_path / "begun", config={"loss": "ce"}, seed=0)
    assert main(["evaluate", str(folder.path)]) == 2
    assert "has no result yet. Resume it." in capsys.readouterr().err
    folder.finish({"top1": 1.0})
    assert main(["evaluate", str(folder.path)]) == 2
    assert "must be a training run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "nowhere"], "must hold cifar-10-binary.tar.gz or the folder cifar-10-batches-bin"),
        (["--imbalance", "1000"], "`imbalance` must leave at least one sample in every class"),
        (["--batch-size", "1000"], "`batch_size` must be at most 105, the number of training samples. Got 1000."),
        (["--loss-arguments", "lambda_positive=-1"], "`lambda_positive` must be finite and at least 0"),
        (["--loss-arguments", "lamda=1"], "`loss_arguments` of 'gala' must be among"),
        (["--loss-arguments", "lambda_positive=strong"], "`loss_arguments` of 'gala': `lambda_positive` must be a"),
    ],
)
def test_bad_settings_leave_no_folder(tiny, tmp_path, capsys, options, message):
    command = ["train", "cifar10-lt", "--data", str(tiny), "--out", str(tmp_path / "deep" / "run"), *TINY_OPTIONS]
    assert main(replaced(command, options)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--imbalance", "0.01"], "Did you mean 100?"),
        (["--seed", "-1"], "`seed` must be at least 0"),
        (["--sampler", "33"], "`sampler` must be one of"),
        (["--loss", "gela"], "`loss` must be one of"),
        (["--sede", "1"], "--seed"),
        (["--loss-arguments", "reduction=sum"], "to the loop. Got 'reduction'."),
    ],
)
def test_bad_options_are_named(tiny, capsys, options, message):
    assert main(["train", "cifar10-lt", "--data", str(tiny), *options]) == 2
    assert message in capsys.readouterr().err


def test_a_truncated_data_set_is_named(tiny, tmp_path, capsys):
    for file in tiny.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "data_batch_3.bin").write_bytes(b"\0" * 1000)
    command = ["train", "cifar10-lt", "--data", str(tmp_path), "--out", str(tmp_path / "run"), *TINY_OPTIONS]
    assert main(command) == 2
    assert "data_batch_3.bin must have 122,920 bytes. Got 1,000" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_existing_folder_is_not_overwritten(tiny, run, capsys):
    assert main(["train", "cifar10-lt", "--data", str(tiny), "--out", str(run), *TINY_OPTIONS]) == 2
    assert (
        f"`out` must not exist yet. Got {run}. Resume it with --resume (in Python resume=True), or name another folder "
        "with --out." in capsys.readouterr().err
    )


@pytest.mark.slow
def test_validation_is_held_out_of_training(tiny, tmp_path, capsys):
    command = ["train", "cifar10-lt", "--data", str(tiny), "--out", str(tmp_path / "run"), *TINY_OPTIONS]
    assert main([*command, "--validation", "0.2"]) == 0
    folder = RunFolder.open(tmp_path / "run")
    counts, held_out = np.array(folder.result["class_counts"]), folder.load_predictions("validation")[1]
    np.testing.assert_array_equal(counts + np.bincount(held_out), [20, 17, 14, 12, 10, 9, 7, 6, 5, 5])
    np.testing.assert_array_equal(np.bincount(held_out), np.ceil(0.2 * (counts + np.bincount(held_out))))
    assert folder.metrics[-1]["validation_balanced_accuracy"] == folder.result["validation"]["balanced_accuracy"]
    assert folder.result["fit_on"] == "validation"
    said = capsys.readouterr().out
    assert "inductive: re-balanced by a fit on the held-out validation samples" in said
    assert f"validation, balanced accuracy: {100 * folder.result['validation']['balanced_accuracy']:.1f}" in said


def test_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"longtail {longtail.__version__}\n"


@pytest.mark.slow
def test_help_explains_every_setting_without_loading_the_engine():
    code = (
        "import sys; from longtail.cli import main\n"
        "try: main(['train', 'cifar100-lt', '--help'])\n"
        "finally: print(sorted({'lightning_fabric', 'torchvision', 'torchmetrics'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for option in ("--data", "--imbalance", "--loss", "--seed", "--resume", "--validation", "--precision", "--compile"):
        assert option in done.stdout
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize(
    ("old", "new"), [("--goal", "--metric"), ("--goal=macro-f1", "--metric"), ("--page", "--report")]
)
def test_renamed_options_are_refused_and_the_new_ones_named(old, new, capsys):
    assert main(["fix", "predictions.npz", old, "x"]) == 2
    assert f"is now `{new}`" in capsys.readouterr().err


def test_without_arguments_there_is_help(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "longtail train photos/" in said
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == said


def test_help_of_a_command_is_asked_for_in_two_ways(capsys):
    said = []
    for arguments in (["help", "report"], ["report", "--help"]):
        with pytest.raises(SystemExit):
            main(arguments)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "--force" in said[0]


def test_help_lists_every_command_by_the_first_line_of_its_own_help(capsys):
    main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name, summary in COMMANDS.items():
        command = getattr(importlib.import_module(f"longtail.cli.{name}"), name)
        assert summary == command.__doc__.partition("\n\n")[0].partition("    Args")[0].strip()
        assert f"{name} {summary}" in said


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], *([command, "--help"] for command in COMMANDS), ["train", "--resume", "run", "-h"]],
    ids=" ".join,
)
@pytest.mark.slow
def test_help_and_version_load_neither_torch_nor_pandas(arguments):
    code = (
        "import sys; from longtail.cli import main\n"
        f"try: main({arguments})\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


def test_an_unknown_command_is_refused_and_the_closest_named(capsys):
    assert main(["trian"]) == 2
    assert "Got 'trian'. Did you mean longtail train?" in capsys.readouterr().err


def test_the_handler_of_sigterm_is_restored():
    before = signal.getsignal(signal.SIGTERM)
    main(["fix", "no-such-file.csv"])
    assert signal.getsignal(signal.SIGTERM) is before
    with ThreadPoolExecutor(1) as other:
        assert other.submit(main, ["fix", "no-such-file.csv"]).result() == 2


@pytest.mark.parametrize("command", ["methods", "--help"])
@pytest.mark.slow
def test_a_reader_that_ends_early_is_no_error(command):
    code = f"import sys; from longtail.cli import main; sys.exit(main(['{command}']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        started.stdout.close()
        said = started.stderr.read()
    assert (started.returncode, said) == (1, b"")


@pytest.mark.parametrize(
    ("launched", "lines"), [((), 1), (("LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"), 0)]
)
def test_an_interrupted_command_says_how_to_go_on_unless_another_process_does(launched, lines, monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("longtail.cli.commands._run", interrupted)
    monkeypatch.setenv("RANK", "1")  # of itself it may be that of another launcher
    for name in launched:
        monkeypatch.setenv(name, "2")
    assert main(["train", "photos"]) == 130
    said = capsys.readouterr().err
    assert said == "longtail: Interrupted. To go on: longtail train photos --resume\n" * lines
