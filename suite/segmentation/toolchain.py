"""Triton's needs beside the card: a C compiler, Python's headers, and a cache from which a library may be loaded.

Triton 3.8 compiles a stub of C when its first kernel starts, and loads it from its cache: `TRITON_CACHE_DIR`, else
`.triton/cache` in the home folder (its code: backends/nvidia/driver.py, runtime/build.py, runtime/cache.py).
"""

from __future__ import annotations

import functools
import os
import shutil
import sysconfig
from pathlib import Path

import torch

LEAST_CAPABILITY = (8, 0)
"""Compute capability from which Triton supports a card (its README); below, its compiler may end the whole process."""
_MAPS = Path("/proc/self/maps")
_STUB = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <stdlib.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "suite_stub", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_suite_stub(void) { return PyModule_Create(&module); }
"""
"""Module that includes what Triton's own stub does, apart from CUDA's header, which comes with Triton."""


class UnsupportedCardError(RuntimeError):
    """Card for which Triton compiles no kernels."""


@functools.cache
def prepare(device: torch.device) -> None:
    """Refuse a card that Triton does not support, and tell Triton where the driver is.

    Raises:
        UnsupportedCardError: the card is too old.
    """
    capability = torch.cuda.get_device_capability(device)
    if capability < LEAST_CAPABILITY:
        raise UnsupportedCardError(
            f"the card's compute capability is {_version(capability)}: Triton needs {_version(LEAST_CAPABILITY)}"
        )
    # It asks ldconfig, whose cache may lack what a container's toolkit has put in; torch has found the driver already.
    if folder := _folder_of_driver():
        os.environ.setdefault("TRITON_LIBCUDA_PATH", folder)


def reason(error: Exception) -> str:
    """Say in one line why a kernel did not start, and what to do."""
    if isinstance(error, UnsupportedCardError):
        return str(error)
    if lacks := lacking():
        return lacks[0]
    first_line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def lacking() -> list[str]:
    """List what Triton lacks here, each in one line with its remedy; empty where nothing is seen to be missing."""
    if missing := _lacking_package():
        return [missing]
    return [lack for lack in (_lacking_compiler(), _lacking_headers(), _lacking_cache()) if lack]


def build_stub() -> None:
    """Compile and load a stub as Triton does with its own; a second or less, and next to nothing once it is cached.

    Raises:
        Exception: whatever Triton, the compiler or the loader says; `reason` explains it.
    """
    from triton.runtime.build import compile_module_from_src  # type: ignore[import-untyped]

    compile_module_from_src(_STUB, "suite_stub")


def _lacking_package() -> str:
    try:
        import triton  # type: ignore[import-untyped]  # noqa: F401
    except ImportError as error:
        return f"Triton cannot be imported ({error}): run make setup"
    return ""


def _lacking_compiler() -> str:
    chosen = os.environ.get("CC")
    if chosen is not None and shutil.which(chosen) is None:
        return f"the C compiler that CC names is not there ({chosen}): correct or unset CC"
    if chosen is None and shutil.which("gcc") is None and shutil.which("clang") is None:
        return "no C compiler: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev)"
    return ""


def _lacking_headers() -> str:
    scheme = sysconfig.get_default_scheme().replace("posix_local", "posix_prefix")  # as Triton has it
    folder = Path(sysconfig.get_paths(scheme)["include"])
    if (folder / "Python.h").is_file():
        return ""
    return f"no Python.h in {folder}: install Python's headers (Debian, Ubuntu: apt-get install python3-dev)"


def _lacking_cache() -> str:
    from triton import knobs

    folder = Path(knobs.cache.dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        complaint = "" if os.access(folder, os.W_OK | os.X_OK) else "it cannot be written to"
        if not complaint and os.statvfs(folder).f_flag & os.ST_NOEXEC:
            complaint = "its file system is mounted noexec, so nothing can be loaded from it"
    except OSError as error:
        complaint = str(error.strerror)
    if not complaint:
        return ""
    return f"Triton's cache {folder}: {complaint}: set TRITON_CACHE_DIR to a folder of yours where programs may run"


def _folder_of_driver() -> str | None:
    """Find the folder from which this process has loaded the driver, libcuda.so.1."""
    try:
        lines = _MAPS.read_text(errors="replace").splitlines()
    except OSError:
        return None
    paths = (Path(line.split(maxsplit=5)[5]) for line in lines if "/libcuda.so." in line)
    return next((str(path.parent) for path in paths if (path.parent / "libcuda.so.1").exists()), None)


def _version(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
