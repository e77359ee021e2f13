"""Measures calls on a GPU."""

from collections.abc import Callable
from typing import Protocol

import torch


GIGABYTE = 10**9


class Device(Protocol):
    """Where calls are measured."""

    device: torch.device

    def time(self, call: Callable[[], object]) -> float:
        """Median, in microseconds."""

    def peak(self, call: Callable[[], object]) -> float:
        """The most memory held beyond what is there before, in megabytes."""

    def replay(self, call: Callable[[], object]) -> float:
        """Median time of replaying a CUDA graph of it, in microseconds."""

    def copy_speed(self) -> float:
        """GB/s, read and written, of copying a gigabyte."""


class Gpu:
    """The current CUDA or ROCm device."""

    device = torch.device("cuda")

    def time(self, call: Callable[[], object]) -> float:
        """Median, in microseconds, with a cold cache, after a warm-up."""
        from triton.testing import do_bench

        return 1e3 * float(do_bench(call, return_mode="median"))

    def peak(self, call: Callable[[], object]) -> float:
        """The most memory held beyond what is there before, in megabytes."""
        call()  # workspaces of libraries are made in the first call, and stay
        torch.cuda.synchronize()
        held = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - held) / 1e6

    def replay(self, call: Callable[[], object]) -> float:
        """Median time of replaying a CUDA graph of it, in microseconds."""
        call()  # compiled before it is captured
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            kept = call()  # noqa: F841  the graph writes there
        return self.time(graph.replay)

    def copy_speed(self) -> float:
        """GB/s, read and written, of copying a gigabyte."""
        source = torch.empty(GIGABYTE, dtype=torch.uint8, device=self.device)
        target = torch.empty_like(source)
        return 2 * GIGABYTE / self.time(lambda: target.copy_(source)) / 1e3
