"""Devices to test on."""

import pytest
import torch

GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))
"""A device among the parameters of a test; skipped where there is none."""
