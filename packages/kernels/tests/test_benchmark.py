"""The benchmark command: without a GPU it says so; what it would time there is run here, small."""

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from kernel_tests.devices import DEVICE, needs_triton
from kernel_tests.effort import PROFILE
from torch import Tensor


SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
pytestmark = pytest.mark.skipif(
    not (SCRIPTS / "benchmark.py").exists(), reason="the scripts are not beside the tests"
)
COPY = 3000.0  # GB/s


def _small() -> dict[str, list[list[Tensor]]]:
    """Inputs like those of each byte case, in their order."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random).to(DEVICE)

    def learned(*shapes: tuple[int, ...]) -> list[Tensor]:
        return [draw(*shape).requires_grad_() for shape in shapes]

    row, head = (2, 3, 8), (2, 3, 4, 8)
    numbers = [torch.tensor(a, device=DEVICE) for a in (-0.1, 3.0, 0.9)]
    labels = torch.tensor([0, 6, 3], device=DEVICE)
    spans = torch.tensor([[0, 1, 2], [1, 1, 2]], device=DEVICE)
    return {
        "flow_matching": [
            [draw(*row), draw(*row), draw(2)],
            [*learned(row), draw(*row), draw(*row), draw(2)],
        ],
        "gated_residual_norm": [
            learned(row, row, (8,), (8,), (2, 8), (2, 8)),
            learned(row, row, (8,), (2, 8)),
            learned(row, row, (8,)),
        ],
        "guided_step": [[*(draw(*row) for _ in range(4)), *numbers] for _ in range(4)],
        "linear_cross_entropy": [[*learned((3, 8), (7, 8)), labels]],
        "merge_features": [[*learned((2, 4, 4), (4, 4)), spans]],
        "nearest_code": [[draw(5, 8), draw(7, 8)] for _ in range(2)],
        "qk_norm_rope": [
            [*learned(head, head), draw(3, 4), draw(3, 4), *learned((32,), (32,), (32,), (32,))],
            [*learned(head, head), draw(3, 4), draw(3, 4), *learned((8,), (8,))],
            [*learned(head, head), draw(3, 4), draw(3, 4)],
        ],
        "swiglu": [learned(row, row), learned(row, row)],
    }


class _Cpu:
    """Where the tests measure: every call once."""

    device = torch.device("cpu")

    def time(self, call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        return 1e6 * (time.perf_counter() - start)

    def peak(self, call: Callable[[], object]) -> float:
        call()
        return 1.0

    def replay(self, call: Callable[[], object]) -> float:
        return self.time(call)

    def copy_speed(self) -> float:
        return COPY


@pytest.fixture(scope="module")
def scripts() -> Iterator[SimpleNamespace]:
    """The modules of the benchmark, imported as beside the script."""
    before, interpret = set(sys.modules), os.environ.get("TRITON_INTERPRET")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        names = ("benchmark", "byte_table", "measurement", "operations", "targets", "lumina_block")
        modules = {name: importlib.import_module(name) for name in names}
        if interpret is not None:  # which the scripts take away
            os.environ["TRITON_INTERPRET"] = interpret
        yield SimpleNamespace(**modules)
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(SCRIPTS) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line(
    scripts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark.py"])
    assert scripts.benchmark.main() == 2
    assert capsys.readouterr().out == "benchmark: not run, there is no GPU here\n"


@pytest.fixture
def small(
    scripts: SimpleNamespace, operation: str, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[Any, list[Tensor]]]:
    """The byte cases of an operation, each with small inputs."""
    module = scripts.operations.entries("byte_cases", [operation])[operation]
    if operation == "merge_features":  # its eager code knows how many pictures there are
        monkeypatch.setattr(module, "BATCH", 2)
        monkeypatch.setattr(module, "PICTURE", 2)
        monkeypatch.setattr(module, "WIDTH", 4)
    return list(zip(module.cases(), _small()[operation], strict=True))


@needs_triton
@pytest.mark.parametrize("operation", _small())
def test_what_is_compared_is_the_same(small: list[tuple[Any, list[Tensor]]]) -> None:
    for case, inputs in small:
        outputs = case.eager(*inputs), case.call("reference", *inputs)
        torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-5, check_dtype=False)


@needs_triton
@pytest.mark.parametrize("operation", _small())
def test_every_case_is_timed(
    scripts: SimpleNamespace, operation: str, small: list[tuple[Any, list[Tensor]]]
) -> None:
    benchmark, cpu = scripts.benchmark, _Cpu()
    for case, inputs in small:
        moved = benchmark.fused_bytes(case)
        assert moved[0] > 0 and (moved[1] > 0) == (case.backward is not None)
        blank = scripts.measurement.Measurement(operation, case.shape, "", *[None] * 5, *moved)
        for way in benchmark.ways(operation, case):
            if way.name not in ("eager", "triton"):
                continue
            found = benchmark.measure(
                way,
                replace(blank, way=way.name),
                partial(list, inputs),
                case.backward is not None,
                cpu,
            )
            assert found.wrong is None, found.wrong
            assert found.forward and found.peak and bool(found.both) == bool(found.backward)
            assert bool(found.graph) == case.captured
            assert found.line(COPY).count("|") == scripts.measurement.HEAD.split("\n")[0].count("|")


@needs_triton
def test_the_block_is_timed(scripts: SimpleNamespace) -> None:
    pytest.importorskip("diptych_heads")
    shape, forwards, learned = scripts.lumina_block.lumina_block(
        _Cpu.device, torch.float32, implementation="reference",
        batch=2, side=2, width=32, heads=2, ffn=48, caption=3,
    )  # fmt: skip
    assert shape == "b 2 n 4 d 32"
    torch.testing.assert_close(forwards["triton"](), forwards["eager"](), rtol=1e-4, atol=1e-4)
    for name, forward in forwards.items():
        way = scripts.benchmark.Way(name, lambda *_, forward=forward: (forward(),), True)
        blank = scripts.measurement.Measurement("lumina_block", shape, name)
        found = scripts.benchmark.measure(way, blank, lambda: learned, True, _Cpu())
        assert found.wrong is None and found.both and found.whole == found.both


def test_an_error_is_told_in_its_line(scripts: SimpleNamespace) -> None:
    def broken(*_: Tensor) -> object:
        raise RuntimeError("no |\nkernel")

    way = scripts.benchmark.Way("liger", broken)
    blank = scripts.measurement.Measurement("swiglu", "b 1", "liger")
    found = scripts.benchmark.measure(way, blank, lambda: [torch.ones(1)], False, _Cpu())
    assert found.line(COPY).startswith("| b 1 | liger | RuntimeError: no / kernel |")
    assert found.line(COPY).count("|") == scripts.measurement.HEAD.split("\n")[0].count("|")


@pytest.mark.skipif(PROFILE in ("ci", "mutation"), reason="compiles: HYPOTHESIS_PROFILE=nightly")
def test_a_compiled_backward_can_be_repeated(scripts: SimpleNamespace) -> None:
    def eager(gate: Tensor, up: Tensor) -> tuple[Tensor, ...]:
        return (torch.nn.functional.silu(gate.exp()).sin() * up.exp(),)

    way = scripts.benchmark.Way("torch.compile", torch.compile(eager, dynamic=False))
    inputs = [torch.randn(4, 8, requires_grad=True) for _ in range(2)]
    _, backward = scripts.benchmark.steps(way, inputs)
    again = backward()
    assert all(map(torch.equal, again(), again()))


def _found(scripts: SimpleNamespace, slow: float = 1.0, **changes: Any) -> list[Any]:
    """Measurements of a device that just reaches every target, and times ``slow`` worse."""
    made = []
    for operation in ("gated_residual_norm", "qk_norm_rope", "flow_matching", "swiglu",
                      "linear_cross_entropy", "lumina_block"):  # fmt: skip
        moved = 0 if operation == "lumina_block" else 300 * 10**6
        for way, factor in (("triton", slow), ("eager", 3.1), ("torch.compile", 1.05),
                            ("liger", 1.02)):  # fmt: skip
            made.append(
                scripts.measurement.Measurement(
                    operation,
                    "one",
                    way,
                    forward=110 * factor,
                    backward=110 * factor,
                    both=220 * factor,
                    peak=5.0,
                    forward_bytes=moved,
                    backward_bytes=moved,
                )
            )
    return [replace(each, **changes) if each.way == "triton" else each for each in made]


def test_each_target_is_judged(scripts: SimpleNamespace) -> None:
    def verdicts(found: list[Any]) -> list[str]:
        return [line.split(":")[0].removeprefix("- ") for line in
                scripts.targets.verdicts(found, COPY)]  # fmt: skip

    judged = verdicts(_found(scripts))
    assert judged.count("pass") == 9 and judged.count("not measured") == 1  # no cce
    assert verdicts([]).count("not measured") == len(judged)
    slow = verdicts(_found(scripts, slow=2.0))
    assert slow[0] == "pass" and slow[1] == "FAIL" and slow.count("FAIL") == 8
    more = list(scripts.targets.verdicts(_found(scripts, peak=6.0), COPY))
    assert sum("FAIL" in line for line in more) == 1 and "FAIL: linear_cross" in "".join(more)
    broken = list(scripts.targets.verdicts(_found(scripts, wrong="OutOfMemory"), COPY))
    assert broken[0].startswith("- FAIL: every operation runs (gated_residual_norm one")
