"""Imports of the server that processes for trials are forked from; nothing is measured here, no device is touched.

What every process would find out anew, and finds the same, is found out once: a fork has it from the server.
"""

import gc
import os
import pdb  # noqa: F401 - pytest imports it at each start
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import pytest
import timm  # noqa: F401
import torch
import torch.utils.serialization  # noqa: F401 - imported by the first `torch.load`
import torchvision  # noqa: F401
from PIL import Image

from suite.core.memory import keep_freed_memory
from suite.core.numerics import environment_of
from suite.core.source_code import trial_code
from suite.errors import SuiteError
from suite.experiments import conftest  # noqa: F401
from suite.experiments.base import page_of
from suite.experiments.forked import ignore_callers_options
from suite.experiments.judge import code_state_at_start, packages_at_start
from suite.reference.expected import RECORDED
from suite.reference.select import references
from suite.registry import EXPERIMENTS

for name in EXPERIMENTS:
    page_of(name)
    trial_code(name)  # parses the whole source
environment_of("cpu")
code_state_at_start()
packages_at_start()
with suppress(SuiteError):  # it is told where the values are asked for
    references(RECORDED, {}, None)
Image.preinit()

if any("multiprocessing.forkserver" in word for word in sys.orig_argv):
    # it ends with the process that started it; signals to a whole command are that one's to answer
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    keep_freed_memory()
    ignore_callers_options()
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        pytest.main(["--version"])  # imports its own plugins
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page of what was imported
