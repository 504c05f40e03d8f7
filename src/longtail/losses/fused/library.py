"""The compiled kernels: built by the system's C compiler when they are first needed, and kept in the user's cache."""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from longtail.cache_folder import cache_folder
from longtail.whole_file import LEFT_SECONDS, remove_parts, write_whole

SOURCES = tuple(Path(__file__).with_name(name) for name in ("cross_entropy.c", "draws.c"))
# No -ffast-math: logits of −∞ and NaN must keep their meaning. Sums are vectorised by the pragmas.
FLAGS = ("-O3", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
OF_THIS_CPU = "-march=native"
COMPILERS = ("cc", "gcc", "clang")
COMPILE_SECONDS = 60

logger = logging.getLogger(__name__)


class NoKernelError(RuntimeError):
    """The kernel can't be compiled or loaded; the message says why."""


@functools.cache
def library() -> ctypes.CDLL | NoKernelError:
    """The compiled kernel, or the reason why there is none; tried once in a process."""
    try:
        return _loaded()
    except NoKernelError as error:
        logger.debug("No fused losses: %s", error)
        return error


def kernel() -> ctypes.CDLL:
    """The compiled kernel.

    Raises:
        NoKernelError: there is none.
    """
    found = library()
    if isinstance(found, NoKernelError):
        raise found
    return found


def kernel_folder() -> Path:
    """The folder of compiled kernels.

    Raises:
        NoKernelError: there is no place for it.
    """
    try:
        return cache_folder("kernels")
    except RuntimeError as error:  # a user without a home
        raise NoKernelError(f"there is no home folder for the cache ({error}). Set LONGTAIL_CACHE.") from error


def _loaded() -> ctypes.CDLL:
    path = kernel_folder() / f"losses-{_fingerprint()}.so"
    if path.is_file():
        with suppress(OSError):  # a broken file is compiled again
            return ctypes.CDLL(str(path))
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / path.name
        _compile(built)
        kept = _keep(built, path)
        try:
            return ctypes.CDLL(str(path if kept else built))
        except OSError as error:
            raise NoKernelError(f"the compiled kernel can't be loaded: {error}") from error


def _keep(built: Path, path: Path) -> bool:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_parts(path.parent, LEFT_SECONDS)
        with write_whole(path) as file:
            file.write(built.read_bytes())
    except OSError as error:
        logger.debug("The fused kernel is not kept, and will be compiled again: %s", error)
        return False
    return True


def _fingerprint() -> str:
    """A hash of all that a compiled kernel depends on, but for the compiler, which may be gone when it is loaded."""
    parts = (
        *(source.read_bytes() for source in SOURCES),
        " ".join((*FLAGS, OF_THIS_CPU)).encode(),
        _processor().encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]


def _processor() -> str:
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    return f"{platform.machine()} {platform.processor()}"


def _compile(out: Path) -> None:
    compiler = _compiler()
    start = time.perf_counter()
    for flags in ((*FLAGS, OF_THIS_CPU), FLAGS):  # not every compiler knows its own CPU
        problem = _attempt([*compiler, *flags, *map(str, SOURCES), "-o", str(out), "-lm"])
        if problem is None:
            logger.debug("Compiled the fused losses in %.1f s with %s.", time.perf_counter() - start, compiler[0])
            return
    raise NoKernelError(f"{compiler[0]} failed to compile the kernel: {problem}")


def _compiler() -> list[str]:
    named = shlex.split(os.environ.get("CC", ""))
    found = named[0] if named else next(filter(shutil.which, COMPILERS), None)
    if found is None or shutil.which(found) is None:
        wanted = found or " or ".join(COMPILERS)
        raise NoKernelError(f"there is no C compiler ({wanted}) on the PATH. Install one, for example gcc.")
    return named or [found]


def _attempt(command: list[str]) -> str | None:
    """What went wrong, if anything."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stderr.strip() or f"exit status {done.returncode}")
