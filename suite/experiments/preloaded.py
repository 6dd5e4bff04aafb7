"""Imports of the server that processes for trials are forked from; nothing is measured here, no device is touched.

What every process would find out anew, and finds the same, is found out once: a fork has it from the server.
"""

import gc
import signal
import sys

import timm  # noqa: F401
import torch  # noqa: F401
import torchvision  # noqa: F401
from PIL import Image

from suite.core.numerics import environment_of
from suite.core.source_code import trial_code
from suite.experiments import conftest  # noqa: F401
from suite.experiments.base import page_of
from suite.registry import EXPERIMENTS

for name in EXPERIMENTS:
    page_of(name)
    trial_code(name)  # parses the whole source
environment_of("cpu")
Image.preinit()

if any("multiprocessing.forkserver" in word for word in sys.orig_argv):
    # it ends with the process that started it; signals to a whole command are that one's to answer
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page of what was imported
