"""What the benchmark finds out about one implementation at one shape, and a line of its table."""

from dataclasses import dataclass


HEAD = (
    "| shape | implementation | forward µs | backward µs | both µs | graph µs | GB/s forward "
    "| of copy | GB/s backward | of copy | peak MB |\n" + "|---" * 11 + "|"
)


@dataclass(frozen=True)
class Measurement:
    """Times in microseconds, None where there is nothing to time; bytes that the fused call moves.

    Attributes:
        operation: Its name.
        shape: In words.
        way: ``eager``, ``torch.compile``, ``triton``, or the name of a library.
        forward: Without gradients.
        backward: Alone, repeated on one graph.
        both: Forward and backward of one step.
        graph: Replay of a CUDA graph of forward.
        peak: Megabytes that forward and backward hold beyond arguments and results before.
        forward_bytes: Of the fused forward, as the byte table counts them.
        backward_bytes: Of the fused backward.
        wrong: Why it was not measured, or None.
    """

    operation: str
    shape: str
    way: str
    forward: float | None = None
    backward: float | None = None
    both: float | None = None
    graph: float | None = None
    peak: float | None = None
    forward_bytes: int = 0
    backward_bytes: int = 0
    wrong: str | None = None

    @property
    def whole(self) -> float | None:
        """Of a step where there is a gradient, else of forward."""
        return self.forward if self.both is None else self.both

    def shares(self, copy: float) -> list[tuple[int, float]]:
        """Bytes and share of the copy's speed, of forward and backward where they were timed."""
        passes = ((self.forward_bytes, self.forward), (self.backward_bytes, self.backward))
        return [(moved, moved / time / 1e3 / copy) for moved, time in passes if time and moved]

    def line(self, copy: float) -> str:
        """Of the table."""
        if self.wrong is not None:
            return f"| {self.shape} | {self.way} | {self.wrong} |" + " |" * 8
        cells = [self.shape, self.way]
        for time in (self.forward, self.backward, self.both, self.graph):
            cells.append("" if time is None else f"{time:.1f}")
        shares = [(f"{share * copy:.0f}", f"{share:.0%}") for _, share in self.shares(copy)]
        for speed, share in [*shares, ("", "")][:2]:
            cells += [speed, share]
        cells.append("" if self.peak is None else f"{self.peak:.0f}")
        return f"| {' | '.join(cells)} |"
