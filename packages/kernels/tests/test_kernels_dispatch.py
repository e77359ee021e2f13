"""Argument before context before environment before conditions; explained, and never silent."""

import threading
from dataclasses import replace

import pytest
import torch
from kernel_tests.devices import HAS_TRITON, needs_triton
from kernel_tests.effort import PROFILE

import diptych_kernels
from diptych_kernels import ImplementationUnavailableError, explain, implementations, use
from diptych_kernels.choice import ENVIRONMENT_VARIABLE, requested
from diptych_kernels.dispatch import OPERATIONS, Implementation, Operation
from diptych_kernels.situation import Situation


OP = "gated_residual_norm"
CPU = Situation(torch.device("cpu"), frozenset([torch.float32]))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)


def test_the_nearest_voice_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert requested(None).name is None
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "compile")
    assert requested(None).name == "compile"
    with use("triton"):
        assert requested(None).name == "triton"
        assert requested("reference").name == "reference"
        with use("auto"):
            assert requested(None).name is None
        assert requested(None).name == "triton"
    assert requested(None).name == "compile"


def test_a_context_ends_with_its_exception_and_stays_in_its_thread() -> None:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(requested(None).name))

    def interrupted() -> None:
        with use("reference"):
            thread.start()
            thread.join()
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert seen == [None] and requested(None).name is None


@pytest.mark.parametrize("name", ["fast", "Triton", ""])
def test_unknown_names_are_refused_with_their_source(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="choose one of reference, compile, triton, chunked, auto"):
        requested(name)
    with pytest.raises(ValueError, match="use"), use(name):
        pass
    if name:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, name)
        with pytest.raises(ValueError, match=ENVIRONMENT_VARIABLE):
            requested(None)


def _operation(loaded: list[str], broken: str | None = None) -> Operation:
    def implementation(name: str) -> Implementation:
        def load() -> object:
            loaded.append(name)
            return lambda: name

        return Implementation(
            name,
            load,
            lambda situation: "it is broken" if name == broken else None,
            lambda situation: "it is slow to start" if name == "compile" else None,
        )

    return Operation("op", tuple(map(implementation, ("compile", "triton", "reference"))))


def test_order_decides_when_nobody_asks_and_the_answer_is_cached() -> None:
    loaded: list[str] = []
    operation = _operation(loaded)
    assert [operation.resolve(requested(None), CPU)() for _ in range(3)] == ["triton"] * 3
    assert operation.resolve(requested("compile"), CPU)() == "compile"
    assert loaded == ["triton", "compile"]
    assert _operation(loaded, broken="triton").resolve(requested(None), CPU)() == "reference"


def test_what_was_asked_for_and_cannot_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    operation = _operation([], broken="triton")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "triton")
    with pytest.raises(ImplementationUnavailableError) as raised:
        operation.resolve(requested(None), CPU)
    for words in (ENVIRONMENT_VARIABLE, "'triton'", "it is broken"):
        assert words in str(raised.value)


def test_explanation_gives_a_reason_for_each_rejection() -> None:
    explanation = _operation([], broken="triton").explain(requested(None), CPU)
    assert explanation.chosen == "reference"
    reasons = {rejection.name: rejection.reason for rejection in explanation.rejected}
    assert reasons == {"compile": "it is slow to start", "triton": "it is broken"}
    lines = str(explanation).splitlines()
    assert lines[0].startswith("op on cpu, float32: reference (") and len(lines) == 3
    asked = _operation([], broken="triton").explain(requested("triton"), CPU)
    assert asked.chosen is None and "nothing can run" in str(asked)


def test_on_a_cpu_the_reference_runs_by_itself() -> None:
    explanation = explain(OP, device="cpu", dtype=torch.bfloat16)
    assert explanation.chosen == "reference"
    assert {rejection.name for rejection in explanation.rejected} == {"triton", "compile"}
    with pytest.raises(ValueError, match=f"operations: .*{OP}"):
        explain("nonsense")


@pytest.mark.parametrize("operation", diptych_kernels.operations())
def test_every_operation_gives_a_reason_for_each_rejection(operation: str) -> None:
    explanation = explain(operation, device="cpu")
    chosen = "chunked" if operation == "linear_cross_entropy" else "reference"
    assert explanation.chosen == chosen
    names = [each.name for each in OPERATIONS[operation].implementations]
    assert names[0] == "triton" and names[-1] == "reference"
    assert [each.name for each in explanation.rejected] == [n for n in names if n != chosen]
    assert all(each.reason for each in explanation.rejected)


@pytest.mark.parametrize(("fuses", "chosen"), [(True, "reference"), (False, "triton")])
def test_inside_a_compiler_a_kernel_stays_where_the_reference_would_not_fuse(
    fuses: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def anything(situation: Situation) -> None:
        return None

    monkeypatch.setattr(implementations, "triton_cannot_run", anything)
    monkeypatch.setattr(implementations, "interpreting", lambda: False)
    operation = Operation("op", implementations.usual(len, lambda: len, fuses=fuses))
    assert operation.explain(requested(None), CPU).chosen == "triton"
    traced = operation.explain(requested(None), replace(CPU, compiling=True))
    assert traced.chosen == chosen
    limited = implementations.usual(len, lambda: len, limit=lambda situation: "too long")
    reason = Operation("op", limited).explain(requested(None), CPU).rejected[0].reason
    assert reason == "too long"


def test_triton_refuses_what_it_cannot_do() -> None:
    x = torch.zeros(1, 2, 4, dtype=torch.float64)
    with pytest.raises(
        ImplementationUnavailableError, match="float64" if HAS_TRITON else "install"
    ):
        diptych_kernels.gated_residual_norm(x, x, x[0, 0], implementation="triton")


@needs_triton
def test_triton_refuses_a_row_too_long_for_its_registers() -> None:
    x = torch.zeros(1, 1, 4097)
    with pytest.raises(ImplementationUnavailableError, match="4097 elements is longer"):
        diptych_kernels.gated_residual_norm(x, x, x[0, 0], implementation="triton")


def test_compile_is_resolved_but_only_on_request() -> None:
    explanation = explain(OP, device="cpu", implementation="compile")
    if explanation.chosen is None:
        assert "C++ compiler" in explanation.rejected[1].reason
    else:
        assert explanation.chosen == "compile"


@pytest.mark.skipif(
    PROFILE in ("ci", "mutation"),
    reason="a cold torch.compile takes half a minute: HYPOTHESIS_PROFILE=nightly runs it",
)
def test_compile_computes_the_reference_for_more_patterns_than_torch_recompiles() -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for grad in (False, True):
            for optional in (None, torch.ones(2, 4)):
                x = torch.randn(2, 3, 4).to(dtype).requires_grad_(grad)
                outputs = {
                    name: diptych_kernels.gated_residual_norm(
                        x, x, torch.ones(4), gate=optional, implementation=name
                    )
                    for name in ("compile", "reference")
                }
                torch.testing.assert_close(outputs["compile"], outputs["reference"])
