# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of ``guided_step``: one pass over the state, and one before it to rescale.

An argument in capitals is a pointer; one that is None is compiled out, and with it its branch.
Where SCALE, DT or RATIO is None, the number of that name in small letters counts. Strides are in
elements, for the axes ``b`` and ``m``; offsets are int64. Arithmetic is in float32.
"""

import triton
import triton.language as tl


@triton.jit
def number(POINTER, value):
    """What a pointer to one number points to, or where there is none the value."""
    if POINTER is not None:
        return tl.load(POINTER).to(tl.float32)
    else:  # noqa: RET505 (triton would compile both)
        return tl.full([], value, tl.float32)


@triton.jit
def guided(conditional, null, scale):
    """The combination of both predictions."""
    return null + scale * (conditional - null)


@triton.jit
def merged(count, mean, square, a, live, there):
    """Adds the block ``a`` to a count, a mean and a sum of squared deviations (Chan et al. 1983).

    Unlike a sum of squares this does not cancel where the mean is large.
    """
    own_mean = tl.sum(tl.where(live, a, 0.0), axis=0) / there
    deviation = tl.where(live, a - own_mean, 0.0)
    own_square = tl.sum(deviation * deviation, axis=0)
    delta = own_mean - mean
    share = there / (count + there)
    return mean + delta * share, square + own_square + delta * delta * count * share


@triton.jit
def moments_kernel(
    CONDITIONAL, NULL, SCALE, MOMENTS, scale,
    conditional_b, conditional_m, null_b, null_m, size, size_each, parts,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """One program, one part of a sample: mean and squared deviations of both predictions.

    MOMENTS is ``b 4 part``: mean and deviations of the conditional, then of the guided one.
    """
    program = tl.program_id(0)
    b = (program // parts).to(tl.int64)
    part = program % parts
    scale = number(SCALE, scale)
    mean_c = 0.0
    square_c = 0.0
    mean_g = 0.0
    square_g = 0.0
    end = tl.minimum((part + 1) * size_each, size)
    for start in range(part * size_each, end, BLOCK):
        entry = start + tl.arange(0, BLOCK)
        live = entry < end
        m = entry.to(tl.int64)
        at = CONDITIONAL + b * conditional_b + m * conditional_m
        conditional = tl.load(at, mask=live, other=0.0).to(tl.float32)
        null = tl.load(NULL + b * null_b + m * null_m, mask=live, other=0.0).to(tl.float32)
        count = (start - part * size_each).to(tl.float32)
        there = tl.minimum(end - start, BLOCK).to(tl.float32)
        mean_c, square_c = merged(count, mean_c, square_c, conditional, live, there)
        combined = guided(conditional, null, scale)
        mean_g, square_g = merged(count, mean_g, square_g, combined, live, there)
    out = MOMENTS + b * 4 * parts + part
    tl.store(out, mean_c)
    tl.store(out + parts, square_c)
    tl.store(out + 2 * parts, mean_g)
    tl.store(out + 3 * parts, square_g)


@triton.jit
def total(MEANS, SQUARES, part, counts, live, size):
    """The squared deviations of a sample from the means and deviations of its parts."""
    means = tl.load(MEANS + part, mask=live, other=0.0)
    squares = tl.load(SQUARES + part, mask=live, other=0.0)
    mean = tl.sum(means * counts, axis=0) / size
    return tl.sum(squares + counts * (means - mean) * (means - mean), axis=0)


@triton.jit
def step_kernel(
    X, CONDITIONAL, NULL, BEFORE, MOMENTS, OUT, VELOCITY, DT, SCALE, RATIO,
    dt, scale, ratio, rescale,
    x_b, x_m, conditional_b, conditional_m, null_b, null_m, before_b, before_m,
    size, blocks, size_each, parts,
    BLOCK: tl.constexpr, BLOCK_PARTS: tl.constexpr,
):  # fmt: skip
    """One program, one block of a sample. OUT and VELOCITY are contiguous."""
    program = tl.program_id(0)
    sample = program // blocks
    b = sample.to(tl.int64)
    entry = (program % blocks) * BLOCK + tl.arange(0, BLOCK)
    live = entry < size
    m = entry.to(tl.int64)
    at = CONDITIONAL + b * conditional_b + m * conditional_m
    velocity = tl.load(at, mask=live, other=0.0).to(tl.float32)
    if NULL is not None:
        scale = number(SCALE, scale)
        null = tl.load(NULL + b * null_b + m * null_m, mask=live, other=0.0).to(tl.float32)
        combined = guided(velocity, null, scale)
        if MOMENTS is not None:
            part = tl.arange(0, BLOCK_PARTS)
            there = tl.minimum(size - part * size_each, size_each)
            counts = tl.where(part < parts, there, 0).to(tl.float32)
            of_sample = MOMENTS + b * 4 * parts
            own = total(of_sample, of_sample + parts, part, counts, part < parts, size)
            of_sample += 2 * parts
            squares = total(of_sample, of_sample + parts, part, counts, part < parts, size)
            quotient = tl.where(squares == 0.0, 1.0, tl.sqrt(own / squares))
            combined = combined * (rescale * quotient + (1.0 - rescale))
        # At scale 1 null may hold anything, NaN too.
        velocity = tl.where(scale == 1.0, velocity, combined)
    out = b * size + m
    if VELOCITY is not None:
        tl.store(VELOCITY + out, velocity, mask=live)
    slope = velocity
    if BEFORE is not None:
        before = tl.load(BEFORE + b * before_b + m * before_m, mask=live, other=0.0)
        slope = velocity + number(RATIO, ratio) / 2.0 * (velocity - before.to(tl.float32))
    x = tl.load(X + b * x_b + m * x_m, mask=live, other=0.0)
    tl.store(OUT + out, x + number(DT, dt) * slope, mask=live)
