"""Shared by all tests: one thread, the folder of helpers on the path, and what notes parity."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch


sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def parity(record_property) -> Callable[[str, str, str, float, float], None]:
    """Hold an error to its bound, and note both for docs/parity-heads.md.

    `parity(part, source, what, error, bound)`
    """

    def note(part: str, source: str, what: str, error: float, bound: float) -> None:
        record_property("parity", [part, source, what, error, bound])
        assert error <= bound, f"{what}: {error:.1e} > {bound:.0e}"

    return note
