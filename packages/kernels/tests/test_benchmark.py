"""The benchmark command: without a GPU it says so, and claims nothing."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch


SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "benchmark.py"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.skipif(not SCRIPT.exists(), reason="the scripts are not beside the tests")
def test_without_a_gpu_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    specification = importlib.util.spec_from_file_location("benchmark", SCRIPT)
    assert specification is not None and specification.loader is not None
    benchmark = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "benchmark", benchmark)
    specification.loader.exec_module(benchmark)
    monkeypatch.setattr(sys, "argv", ["benchmark.py"])
    assert benchmark.main() == 2
    assert capsys.readouterr().out == "benchmark: not run, there is no GPU here\n"
