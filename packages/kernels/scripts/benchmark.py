"""Times each operation on a GPU against what there is without it.

    python scripts/benchmark.py [--op OPERATION] [--write]

At the shapes of ``byte_cases/<operation>.py``: eager (as models write it), torch.compile of that,
the Triton kernels through the public function, and Liger and cut-cross-entropy where they are
installed and have it; then a whole block of a Lumina head, if diptych-heads is installed. Median
times of forward, of backward alone, of both in one step, and, for eager and Triton, of replaying a
CUDA graph of forward; the bytes of the case over the time, also as a share of what copying a
gigabyte reaches on this device; the most memory that a step holds. At the end a line for each
target, passed or failed. ``--write`` puts all that, with the device's name, in
``reports/benchmark.md``. Without a GPU it says so and exits with 2; else with 1 if a target failed.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


os.environ.pop("TRITON_INTERPRET", None)

import torch
import torch._functorch.config
from measurement import HEAD, Measurement
from targets import BLOCK, verdicts
from timing import Device, Gpu
from torch import Tensor


# A compiled backward would give its buffers away, and could not be repeated on one graph.
torch._functorch.config.donated_buffer = False


@dataclass(frozen=True)
class Way:
    """One implementation, as a function of the inputs; ``graph`` asks for a CUDA graph of it."""

    name: str
    forward: Callable[..., Any]
    graph: bool = False


def main() -> int:
    """Prints the tables; 2 if there is nothing to time on."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--op", action="append", default=[], help="only this operation; repeats")
    parser.add_argument("--write", action="store_true", help="also write reports/benchmark.md")
    options = parser.parse_args()
    if options.write and options.op:
        parser.error("--write writes the whole table; leave out --op")
    if not torch.cuda.is_available():
        print("benchmark: not run, there is no GPU here")
        return 2

    from operations import REPORTS, entries

    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    gpu = Gpu()
    copy = gpu.copy_speed()
    name = torch.cuda.get_device_name()
    say(f"{name}, torch {torch.__version__}; a copy reaches {copy:.0f} GB/s.")
    found = []
    for name, module in entries("byte_cases", options.op).items():
        say(f"\n## {name}\n\n{HEAD}")
        for case in module.cases():
            for each in measured(name, case, gpu):
                found.append(each)
                say(each.line(copy))
    if not options.op:
        say(f"\n## {BLOCK}\n\n{HEAD}")
        for each in measured_block(gpu):
            found.append(each)
            say(each.line(copy))
    say("\n## Targets\n")
    judged = list(verdicts(found, copy))
    say("\n".join(judged))
    if options.write:
        (REPORTS / "benchmark.md").write_text("\n".join(lines) + "\n")
    return 1 if any(line.startswith("- FAIL") for line in judged) else 0


def measured(operation: str, case: Any, device: Device) -> Iterator[Measurement]:
    """One case, in every way there is."""
    forward_bytes, backward_bytes = fused_bytes(case)
    for way in ways(operation, case):
        yield measure(
            way, Measurement(operation, case.shape, way.name, forward_bytes=forward_bytes,
                             backward_bytes=backward_bytes),
            lambda: filled(case, device), case.backward is not None, device,
        )  # fmt: skip


def measured_block(device: Device) -> Iterator[Measurement]:
    """The Lumina block, eager, compiled and fused."""
    from lumina_block import lumina_block

    try:
        shape, forwards, learned = lumina_block(device.device)
    except ModuleNotFoundError as error:
        yield Measurement(BLOCK, "", "", wrong=str(error))
        return
    torch.compiler.reset()
    forwards["torch.compile"] = torch.compile(forwards["eager"], dynamic=False)
    for name, forward in forwards.items():
        # The inputs are what learns; the forward has its own hold on them.
        way = Way(name, lambda *_, forward=forward: (forward(),), name != "torch.compile")
        yield measure(way, Measurement(BLOCK, shape, name), lambda: learned, True, device)


def ways(operation: str, case: Any) -> Iterator[Way]:
    """All implementations of a case."""
    from peers import peers

    yield Way("eager", case.eager, case.captured)
    # Each case for itself: what was compiled for other shapes would make these dynamic.
    torch.compiler.reset()
    compiled = torch.compile(lambda *inputs: case.eager(*inputs), dynamic=False)
    yield Way("torch.compile", compiled)
    yield Way("triton", lambda *inputs: case.call("triton", *inputs), case.captured)
    for name, forward in peers(operation, case.shape).items():
        yield Way(name, forward)


def measure(
    way: Way,
    blank: Measurement,
    make: Callable[[], list[Any]],
    differentiable: bool,
    device: Device,
) -> Measurement:
    """Fills in what one way takes; an error is told in its line and does not end the table."""
    found: dict[str, Any] = {}
    try:
        inputs = make()

        def forward() -> object:
            with torch.no_grad():
                return way.forward(*inputs)

        found["forward"] = device.time(forward)
        if way.graph:
            found["graph"] = device.replay(forward)
        if differentiable:
            step, backward = steps(way, inputs)
            found["both"] = device.time(step)
            found["peak"] = device.peak(step)
            found["backward"] = device.time(backward())
        else:
            found["peak"] = device.peak(forward)
    except Exception as error:  # a peer's fault must not end the table
        text = " ".join(str(error).split()).replace("|", "/")
        found = {"wrong": f"{type(error).__name__}: {text[:120]}"}
    return Measurement(**{**vars(blank), **found})


def steps(
    way: Way, inputs: list[Any]
) -> tuple[Callable[[], object], Callable[[], Callable[[], object]]]:
    """Forward and backward together; and what makes a backward that can be repeated."""
    learned = [a for a in inputs if isinstance(a, Tensor) and a.requires_grad]
    grads: list[Tensor] = []

    def outputs() -> list[Tensor]:
        found = [a for a in way.forward(*inputs) if a.requires_grad]
        if not grads:
            grads.extend(torch.randn_like(a) for a in found)
        return found

    def step() -> object:
        return torch.autograd.grad(outputs(), learned, grads, allow_unused=True)

    def repeated() -> Callable[[], object]:
        kept = outputs()
        return lambda: torch.autograd.grad(
            kept, learned, grads, retain_graph=True, allow_unused=True
        )

    return step, repeated


def filled(case: Any, device: Device) -> list[Any]:
    """The inputs of a case with values: normal ones, and integers as the case made them."""
    torch.manual_seed(0)
    with torch.device(device.device):
        inputs = list(case.inputs())
    with torch.no_grad():
        for value in inputs:
            if isinstance(value, Tensor) and value.is_floating_point():
                value.normal_()
    return inputs


def fused_bytes(case: Any) -> tuple[int, int]:
    """What the fused forward and backward move, as the byte table counts it."""
    from byte_table import counted
    from torch._subclasses import FakeTensorMode

    moved = []
    with FakeTensorMode():
        plain = [a.detach() if isinstance(a, Tensor) else a for a in case.inputs()]
        for calls in ((case.forward, case.forward_also), (case.backward, case.backward_also)):
            with counted() as counter:
                for call in calls:
                    if call is not None:
                        call(*plain)
            moved.append(int(counter.bytes))
    return moved[0], moved[1]


if __name__ == "__main__":
    sys.exit(main())
