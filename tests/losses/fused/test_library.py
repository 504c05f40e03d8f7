"""The kernel is compiled once and kept; without a compiler nothing changes but the speed."""

import logging
import os

import pytest
import torch

from longtail import GALALoss
from longtail.losses import BalancedSoftmaxLoss
from longtail.losses.fused import library as under_test
from longtail.losses.fused.library import NoKernelError, kernel_folder, library

needs_compiler = pytest.mark.skipif(isinstance(library(), NoKernelError), reason="no C compiler")
LOGITS, TARGET = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3])


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A process that has not looked for the kernel yet, and an empty cache."""
    monkeypatch.setenv("LONGTAIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    library.cache_clear()
    yield tmp_path
    library.cache_clear()


@pytest.fixture
def without_compiler(fresh, monkeypatch):
    monkeypatch.setenv("PATH", str(fresh / "nothing"))


def loss_of(fused):
    torch.manual_seed(0)
    logits = LOGITS.clone().requires_grad_()
    criterion = GALALoss(1000, fused=fused)
    for _ in range(2):
        loss = criterion(logits, TARGET)
    return loss


def test_without_a_compiler_auto_is_the_plain_path(without_compiler, recwarn):
    assert torch.equal(loss_of("auto"), loss_of(False))
    assert not recwarn


def test_without_a_compiler_true_says_why(without_compiler):
    with pytest.raises(NoKernelError, match=r"`fused=True` needs a compiled kernel, but there is no C compiler"):
        GALALoss(5, fused=True)


def test_with_a_gpu_no_compiler_is_needed_until_logits_are_on_the_cpu(without_compiler, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    criterion = GALALoss(1000, fused=True)
    with pytest.raises(NoKernelError, match=r"`fused=True` needs a compiled kernel, but there is no C compiler"):
        criterion(LOGITS.clone().requires_grad_(), TARGET)


def test_a_compiler_that_fails_is_quoted(fresh, monkeypatch):
    script = fresh / "cc"
    script.write_text("#!/bin/sh\necho out of order >&2\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    assert torch.equal(loss_of("auto"), loss_of(False))
    with pytest.raises(NoKernelError, match="cc failed to compile the kernel: out of order"):
        GALALoss(5, fused=True)
    assert not list(kernel_folder().glob("*"))


def test_a_compiler_that_is_named_but_missing_is_named(fresh, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(NoKernelError, match=r"no C compiler \(no-such-compiler\)"):
        GALALoss(5, fused=True)


@needs_compiler
@pytest.mark.slow
def test_is_compiled_lazily_and_once(fresh, caplog):
    caplog.set_level(logging.DEBUG, under_test.__name__)
    GALALoss(1000)
    assert not kernel_folder().exists()
    loss_of("auto")
    loss_of("auto")
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert caplog.text.count("Compiled the fused losses in") == 1
    (kept,) = kernel_folder().iterdir()
    changed = kept.stat().st_mtime_ns
    library.cache_clear()  # another process
    loss_of("auto")
    assert kept.stat().st_mtime_ns == changed
    assert len(caplog.records) == 1


@needs_compiler
@pytest.mark.slow
def test_a_kept_kernel_needs_no_compiler(fresh, monkeypatch):
    want = loss_of(True)
    library.cache_clear()
    monkeypatch.setenv("PATH", str(fresh / "nothing"))
    assert torch.equal(loss_of(True), want)


@needs_compiler
@pytest.mark.slow
def test_a_broken_file_in_the_cache_is_replaced(fresh, monkeypatch):
    path = kernel_folder() / f"losses-{under_test._fingerprint()}.so"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    assert loss_of(True).isfinite()
    assert path.stat().st_size > 1000


@needs_compiler
@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_cache_that_cannot_be_written_costs_a_compilation(fresh):
    fresh.chmod(0o500)
    assert loss_of(True).isfinite()
    fresh.chmod(0o700)


@needs_compiler
@pytest.mark.slow
def test_a_cache_that_is_no_folder_costs_a_compilation(fresh, monkeypatch):
    (fresh / "file").write_text("")
    monkeypatch.setenv("LONGTAIL_CACHE", str(fresh / "file"))
    assert loss_of(True).isfinite()


@needs_compiler
@pytest.mark.slow
def test_a_compiler_that_does_not_know_its_cpu_will_do(fresh, monkeypatch):
    monkeypatch.setattr(under_test, "OF_THIS_CPU", "-march=imaginary")
    want = loss_of(False)
    torch.testing.assert_close(loss_of(True), want, rtol=2e-6, atol=2e-6)


def test_the_setting_is_part_of_no_state(fresh):
    assert set(BalancedSoftmaxLoss([1, 2], fused=False).state_dict()) == {"log_prior"}
