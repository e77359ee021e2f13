"""Counts the bytes that each operation moves, as models write it and fused.

    python scripts/byte_table.py [--op OPERATION] [--write]

The shapes of an operation are in ``byte_cases/<operation>.py``, what was counted goes to
``reports/bytes/<operation>.md``. Runs under fake tensors: no GPU, no memory, no values. A call of
torch counts as one launch that reads its inputs and writes its outputs once, wherever that is in
memory; views count nothing. A fused call counts in the same way: its arguments and results, not
the partial sums between its launch and its end. Times are bytes at 3 TB/s, not measurements.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


os.environ.pop("TRITON_INTERPRET", None)

import torch
from byte_cases.case import Case
from operations import REPORTS, entries
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


HEAD = (
    "| shape | pass | eager launches | eager MB | eager µs | fused MB | fused µs | times fewer |\n"
    "|---|---|---|---|---|---|---|---|"
)
BYTES_PER_MICROSECOND = 3e6
_aten = torch.ops.aten
_FREE = {_aten._unsafe_view, _aten.empty, _aten.empty_like, _aten.new_empty, _aten.empty_strided}


class Counter(TorchDispatchMode):
    """Adds up launches and bytes of everything that runs within it."""

    def __init__(self) -> None:
        """Starts at nothing."""
        super().__init__()
        self.launches = self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Counts one call."""
        result = func(*args, **(kwargs or {}))
        returns = func._schema.returns
        view = any(r.alias_info is not None and not r.alias_info.is_write for r in returns)
        if not view and func.namespace != "prim" and func.overloadpacket not in _FREE:
            self.launches += 1
            self.bytes += sum(map(_bytes, tree_leaves((args, kwargs, result))))
        return result


def _bytes(value: object) -> int:
    if not isinstance(value, Tensor):
        return 0
    apart = (n for n, stride in zip(value.shape, value.stride(), strict=True) if stride != 0)
    return torch.Size(apart).numel() * value.element_size()


@contextmanager
def counted() -> Iterator[Counter]:
    """A counter around what follows."""
    with Counter() as counter:
        yield counter


def rows(case: Case) -> Iterator[str]:
    """The lines of one case: forward, and backward if there is one."""
    with FakeTensorMode():
        inputs = case.inputs()
        with counted() as eager:
            outputs = case.eager(*inputs)
        plain = [a.detach() if isinstance(a, Tensor) else a for a in inputs]
        with counted() as fused:
            case.forward(*plain)
            if case.forward_also is not None:
                case.forward_also(*plain)
        yield _row(case.shape, "forward", eager, fused)
        if case.backward is None:
            return
        learned = [a for a in inputs if isinstance(a, Tensor) and a.requires_grad]
        grads = [torch.empty_like(a) for a in outputs]
        with counted() as eager:
            torch.autograd.grad(outputs, learned, grads, allow_unused=True)
        with counted() as fused:
            case.backward(*plain)
            if case.backward_also is not None:
                case.backward_also(*plain)
        yield _row(case.shape, "backward", eager, fused)


def _row(shape: str, what: str, eager: Counter, fused: Counter) -> str:
    cells = [shape, what, str(eager.launches)]
    for counter in (eager, fused):
        cells += [f"{counter.bytes / 1e6:.1f}", f"{counter.bytes / BYTES_PER_MICROSECOND:.1f}"]
    return f"| {' | '.join(cells)} | {eager.bytes / fused.bytes:.1f} |"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--op", action="append", default=[], help="only this operation; repeats")
    parser.add_argument("--write", action="store_true", help="also write the tables to reports/")
    options = parser.parse_args()
    for name, module in entries("byte_cases", options.op).items():
        print(f"\n{name}\n\n{HEAD}", flush=True)
        lines = [line for case in module.cases() for line in rows(case)]
        print("\n".join(lines), flush=True)
        if options.write:
            folder = REPORTS / "bytes"
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.md").write_text("\n".join([HEAD, *lines]) + "\n")


if __name__ == "__main__":
    main()
