"""Chooses between the GPU and Triton's interpreter, before triton is imported."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


sys.path.insert(0, str(Path(__file__).parent))

if not torch.cuda.is_available() and importlib.util.find_spec("triton") is not None:
    if "triton" in sys.modules and os.environ.get("TRITON_INTERPRET") != "1":
        raise pytest.UsageError(
            "triton was imported before packages/kernels/tests, without its interpreter: run "
            "these tests in a process of their own, or set TRITON_INTERPRET=1"
        )
    os.environ["TRITON_INTERPRET"] = "1"

from kernel_tests.devices import INTERPRETED


if not INTERPRETED:
    collect_ignore_glob = ["test_interpreter_checks.py", "test_*_large_offsets.py"]


@pytest.fixture(autouse=True)
def _judged() -> Iterator[None]:
    """One thread, uninitialised memory full of NaN, and every interpreted launch checked."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)  # fills torch.empty with NaN
    if not INTERPRETED:
        yield
    else:
        from interpreter_checks import checked

        with checked(order="shuffled"):
            yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)
