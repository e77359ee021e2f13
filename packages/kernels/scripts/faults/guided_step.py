"""Faults in ``guided_step``."""

from faults.fault import Fault


TESTS = ("test_guided_step_properties.py", "test_guided_step_large_offsets.py")

_OP = "ops/guided_step/"
_KERNELS = _OP + "kernels.py"

FAULTS = (
    Fault("both: guides from the conditional prediction", _KERNELS,
          "return null + scale * (conditional - null)",
          "return conditional + scale * (conditional - null)"),
    Fault("both: a number on the device is ignored", _KERNELS,
          "return tl.load(POINTER).to(tl.float32)", "return tl.full([], 0.0, tl.float32)"),
    Fault("moments: deviations from 0", _KERNELS,
          "deviation = tl.where(live, a - own_mean, 0.0)", "deviation = tl.where(live, a, 0.0)"),
    Fault("moments: blocks merged without the distance of their means", _KERNELS,
          "square + own_square + delta * delta * count * share", "square + own_square"),
    Fault("moments: mean over the block, not over what is there", _KERNELS,
          "tl.minimum(end - start, BLOCK).to(tl.float32)", "(end - start + BLOCK).to(tl.float32)"),
    Fault("moments: mask one too long", _KERNELS,
          "live = entry < end", "live = entry <= end"),
    Fault("moments: parts share one place", _KERNELS,
          "out = MOMENTS + b * 4 * parts + part", "out = MOMENTS + b * 4 * parts"),
    Fault("moments: offsets in int32", _KERNELS,
          "live = entry < end\n        m = entry.to(tl.int64)",
          "live = entry < end\n        m = entry"),
    Fault("step: parts added without the distance of their means", _KERNELS,
          "tl.sum(squares + counts * (means - mean) * (means - mean), axis=0)",
          "tl.sum(squares, axis=0)"),
    Fault("step: the last part counts as a whole one", _KERNELS,
          "there = tl.minimum(size - part * size_each, size_each)",
          "there = tl.full([BLOCK_PARTS], size_each, tl.int32)"),
    Fault("step: variances instead of deviations", _KERNELS,
          "tl.sqrt(own / squares)", "own / squares"),
    Fault("step: no deviation, an infinite factor", _KERNELS,
          "tl.where(squares == 0.0, 1.0, tl.sqrt(own / squares))", "tl.sqrt(own / squares)"),
    Fault("step: rescales at scale 1 too, and lets null in", _KERNELS,
          "velocity = tl.where(scale == 1.0, velocity, combined)", "velocity = combined"),
    Fault("step: ratio not halved", _KERNELS,
          "number(RATIO, ratio) / 2.0", "number(RATIO, ratio)"),
    Fault("step: extrapolates backwards", _KERNELS,
          "(velocity - before.to(tl.float32))", "(before.to(tl.float32) - velocity)"),
    Fault("step: follows the velocity without the step before", _KERNELS,
          "x + number(DT, dt) * slope", "x + number(DT, dt) * velocity"),
    Fault("step: velocity in bfloat16", _KERNELS,
          "slope = velocity\n", "slope = velocity.to(tl.bfloat16).to(tl.float32)\n"),
    Fault("step: mask one too long", _KERNELS,
          "live = entry < size", "live = entry <= size"),
    Fault("step: offsets in int32", _KERNELS,
          "live = entry < size\n    m = entry.to(tl.int64)", "live = entry < size\n    m = entry"),
    Fault("launch: the last block is not launched", _OP + "launch.py",
          "blocks, parts = -(-size // BLOCK), parts_for(size)",
          "blocks, parts = max(1, size // BLOCK), parts_for(size)"),
)  # fmt: skip
