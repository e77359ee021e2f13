"""Where the tests run, and which implementations they can run there."""

import importlib.util

import pytest
import torch


DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
HAS_TRITON = importlib.util.find_spec("triton") is not None
INTERPRETED = HAS_TRITON and DEVICE.type == "cpu"
IMPLEMENTATIONS = ("reference", "triton") if HAS_TRITON else ("reference",)

needs_triton = pytest.mark.skipif(not HAS_TRITON, reason="triton is not installed")
