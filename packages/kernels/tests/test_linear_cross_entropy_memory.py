"""What is held at once, counted on the CPU: every storage that torch's operations make."""

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from diptych_kernels import linear_cross_entropy


class _Held(TorchDispatchMode):
    """Bytes of the storages made within, now and at most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(a.untyped_storage()) for a in tree_leaves((args, kwargs))
                 if isinstance(a, Tensor)}  # fmt: skip
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                if storage not in self.known and id(storage) not in given:
                    self.known.add(storage)
                    self.now += storage.nbytes()
                    weakref.finalize(storage, self._gone, storage.nbytes())
        self.most = max(self.most, self.now)
        return out

    def _gone(self, size: int) -> None:
        self.now -= size


def _most_held(implementation: str, rows: int, words: int, chunk: int | None) -> int:
    """Beyond the arguments and their gradients, in bytes."""
    x = torch.randn(rows, 8).requires_grad_()
    weight = torch.randn(words, 8).requires_grad_()
    labels = torch.randint(0, words, (rows,))
    held = _Held()
    with held:
        loss = linear_cross_entropy(x, weight, labels, chunk=chunk, implementation=implementation)
        gradients = torch.autograd.grad(loss, (x, weight))
    return held.most - sum(g.nbytes for g in gradients)


def test_the_peak_does_not_grow_with_the_vocabulary() -> None:
    rows, chunk = 64, 128
    tile = 4 * rows * chunk
    few, many = (_most_held("chunked", rows, words, chunk) for words in (1024, 8192))
    assert many <= few + 1024, (few, many)  # bytes; the bits of one more view
    assert many <= 4 * tile
    assert _most_held("reference", rows, 8192, None) > 10 * many


def test_a_tile_is_as_large_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    from diptych_kernels.ops.linear_cross_entropy import tiles

    monkeypatch.setitem(tiles.ELEMENTS, "cpu", 2**15)
    more = _most_held("chunked", 64, 8192, None)
    assert 4 * 2**15 <= more <= 4 * 4 * 2**15
