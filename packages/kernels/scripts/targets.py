"""What a GPU of the Hopper generation is to reach, and whether it did: a line for each target."""

import math
from collections.abc import Iterable, Iterator, Sequence

from measurement import Measurement


MEMORY_BOUND = (
    "gated_residual_norm", "qk_norm_rope", "flow_matching", "swiglu", "guided_step",
    "merge_features",
)  # fmt: skip
LARGE = 64 * 10**6
BLOCK = "lumina_block"


def verdicts(found: Sequence[Measurement], copy: float) -> Iterator[str]:
    """``pass``, ``FAIL`` or ``not measured`` for each target, with the number that decides."""
    ours = [each for each in found if each.way == "triton" and each.wrong is None]
    broken = [f"{each.operation} {each.shape}" for each in found
              if each.way == "triton" and each.wrong is not None]  # fmt: skip
    yield _line("every operation runs", not broken if ours or broken else None, "; ".join(broken))

    shares = [share for each in ours if each.operation in MEMORY_BOUND
              for moved, share in each.shares(copy) if moved >= LARGE]  # fmt: skip
    least = min(shares, default=math.nan)
    yield _line("memory-bound operations that move 64 MB or more: 85 % of a copy's speed or more",
                least >= 0.85 if shares else None, f"the least is {least:.0%}")  # fmt: skip

    for other in ("torch.compile", "liger", "cce"):
        ratios = list(_ratios(found, other))
        least, mean = min(ratios, default=math.nan), _mean(ratios)
        yield _line(f"against {other}: never below 0.97 times as fast, above 1.0 in the geometric "
                    "mean", least >= 0.97 and mean > 1 if ratios else None,
                    f"the least is {least:.2f}, the mean {mean:.2f}")  # fmt: skip

    for operation in ("gated_residual_norm", "qk_norm_rope", "flow_matching"):
        ratios = list(_ratios([each for each in found if each.operation == operation], "eager"))
        yield _line(f"{operation}: 3 times as fast as eager or more, geometric mean of its shapes",
                    _mean(ratios) >= 3 if ratios else None,
                    ", ".join(f"{ratio:.2f}" for ratio in ratios))  # fmt: skip

    name = "linear_cross_entropy"
    mine = [each for each in ours if each.operation == name]
    theirs = [each for each in found
              if each.operation == name and each.way == "liger" and each.wrong is None]  # fmt: skip
    good, said = None, ""
    if mine and theirs:
        time, memory = (
            (getattr(mine[0], field), getattr(theirs[0], field)) for field in ("whole", "peak")
        )
        good = time[0] <= time[1] and memory[0] <= memory[1]
        said = f"{time[0]:.0f} to {time[1]:.0f} µs, {memory[0]:.0f} to {memory[1]:.0f} MB"
    yield _line(f"{name}: no slower than Liger's, with no more memory", good, said)

    ratios = list(_ratios([each for each in found if each.operation == BLOCK], "eager"))
    yield _line("a whole Lumina block, forward and backward: 1.6 times as fast as eager or more",
                ratios[0] >= 1.6 if ratios else None,
                ", ".join(f"{ratio:.2f}" for ratio in ratios))  # fmt: skip


def _line(target: str, good: bool | None, said: str) -> str:
    verdict = "not measured" if good is None else "pass" if good else "FAIL"
    return f"- {verdict}: {target}{f' ({said})' if said and good is not None else ''}"


def _ratios(found: Iterable[Measurement], other: str) -> Iterator[float]:
    """How many times as fast triton is as another way, for each shape that both have."""
    by_way = {(each.operation, each.shape, each.way): each.whole for each in found}
    for (operation, shape, way), time in by_way.items():
        against = by_way.get((operation, shape, other))
        if way == "triton" and time and against:
            yield against / time


def _mean(ratios: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan
