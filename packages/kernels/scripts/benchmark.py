"""Times each operation on a GPU against what there is without it.

    python scripts/benchmark.py [--op OPERATION] [--write]

At the shapes of ``byte_cases/<operation>.py``: eager (as models write it), torch.compile of that,
the Triton kernels, and Liger and cut-cross-entropy where they are installed and have it. Median
times of forward, backward and, for eager and Triton, the replay of a CUDA graph of forward; the
bytes of the case over the time, also as a share of what copying a gigabyte reaches on this
device; and the most memory that a forward and backward hold beyond their arguments. ``--write``
puts the tables, with the device's name, in ``reports/benchmark.md``. Without a GPU it says so.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


HEAD = (
    "| shape | implementation | forward µs | backward µs | graph µs | GB/s forward "
    "| of copy | peak MB |\n|---|---|---|---|---|---|---|---|"
)
GIGABYTE = 10**9


@dataclass(frozen=True)
class Way:
    """One implementation: forward from the inputs, backward from whatever ``prepare`` made."""

    name: str
    forward: Callable[..., Any]
    backward: Callable[[list[Any]], Callable[[], object]] | None
    graph: bool = False


def main() -> int:
    """Prints the tables; 2 if there is nothing to time on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--op", action="append", default=[], help="only this operation; repeats")
    parser.add_argument("--write", action="store_true", help="also write reports/benchmark.md")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("benchmark: not run, there is no GPU here")
        return 2

    from operations import REPORTS, entries

    copy = copy_bandwidth()
    device = f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    lines = [f"{device}; a copy reaches {copy:.0f} GB/s.\n"]
    print(lines[0], flush=True)
    for name, module in entries("byte_cases", options.op).items():
        lines += [f"\n## {name}\n", HEAD]
        print("\n".join(lines[-2:]), flush=True)
        for case in module.cases():
            for line in rows(name, case, copy):
                lines.append(line)
                print(line, flush=True)
    if options.write:
        (REPORTS / "benchmark.md").write_text("\n".join(lines) + "\n")
    return 0


def rows(operation: str, case: Any, copy: float) -> Iterator[str]:
    """One case, a line for each implementation; what fails says why in its line."""
    moved = fused_bytes(case)
    for way in ways(operation, case):
        try:
            cells = measured(way, case, moved, copy)
        except Exception as error:  # a peer's fault must not end the table
            cells = [f"{type(error).__name__}: {str(error).splitlines()[0][:80]}", *[""] * 5]
        yield f"| {case.shape} | {way.name} | {' | '.join(cells)} |"


def ways(operation: str, case: Any) -> Iterator[Way]:
    """All implementations of a case."""
    from peers import peers

    def through_autograd(forward: Callable[..., Any]) -> Callable[[list[Any]], Callable[[], Any]]:
        def prepare(inputs: list[Any]) -> Callable[[], Any]:
            outputs = [a for a in forward(*inputs) if a.requires_grad]
            learned = [a for a in inputs if isinstance(a, Tensor) and a.requires_grad]
            grads = [torch.randn_like(a) for a in outputs]
            return lambda: torch.autograd.grad(
                outputs, learned, grads, retain_graph=True, allow_unused=True
            )

        return prepare

    def directly(inputs: list[Any]) -> Callable[[], object]:
        plain = detached(inputs)
        return lambda: case.backward(*plain)

    differentiable = case.backward is not None
    compiled = torch.compile(lambda *inputs: case.eager(*inputs))
    for name, forward in (("eager", case.eager), ("torch.compile", compiled)):
        backward = through_autograd(forward) if differentiable else None
        yield Way(name, forward, backward, graph=name == "eager")
    yield Way("triton", case.forward, directly if differentiable else None, graph=True)
    for name, forward in peers(operation).items():
        yield Way(name, forward, through_autograd(forward) if differentiable else None)


def measured(way: Way, case: Any, moved: int, copy: float) -> list[str]:
    """The cells of one line."""
    from triton.testing import do_bench

    inputs = on_gpu(case)
    plain = detached(inputs)
    torch.cuda.synchronize()
    held = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    way.forward(*plain)
    if way.backward is not None:
        way.backward(inputs)()
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() - held
    forward = 1e3 * do_bench(lambda: way.forward(*plain), return_mode="median")
    cells = [f"{forward:.1f}"]
    backward = None if way.backward is None else way.backward(inputs)
    cells.append(
        "" if backward is None else f"{1e3 * do_bench(backward, return_mode='median'):.1f}"
    )
    cells.append(replayed(way.forward, plain) if way.graph else "")
    speed = moved / forward / 1e3
    return [*cells, f"{speed:.0f}", f"{speed / copy:.0%}", f"{peak / 1e6:.0f}"]


def replayed(forward: Callable[..., Any], inputs: list[Any]) -> str:
    """The time of a replay, or why there can be none."""
    from triton.testing import do_bench

    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            forward(*inputs)
    except RuntimeError as error:
        return f"no graph: {str(error).splitlines()[0][:40]}"
    return f"{1e3 * do_bench(graph.replay, return_mode='median'):.1f}"


def on_gpu(case: Any) -> list[Any]:
    """The inputs of a case with values: normal ones, and integers as the case made them."""
    torch.manual_seed(0)
    with torch.device("cuda"):
        inputs = list(case.inputs())
    with torch.no_grad():
        for value in inputs:
            if isinstance(value, Tensor) and value.is_floating_point():
                value.normal_()
    return inputs


def detached(inputs: list[Any]) -> list[Any]:
    """The same without gradients."""
    return [a.detach() if isinstance(a, Tensor) else a for a in inputs]


def fused_bytes(case: Any) -> int:
    """What the fused forward moves, as the byte table counts it."""
    from byte_table import counted
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode():
        plain = detached(list(case.inputs()))
        with counted() as counter:
            case.forward(*plain)
            if case.forward_also is not None:
                case.forward_also(*plain)
    return int(counter.bytes)


def copy_bandwidth() -> float:
    """GB/s, read and written, of copying a gigabyte on the device."""
    from triton.testing import do_bench

    source = torch.empty(GIGABYTE, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * GIGABYTE / float(do_bench(lambda: target.copy_(source), return_mode="median")) / 1e6


if __name__ == "__main__":
    sys.exit(main())
