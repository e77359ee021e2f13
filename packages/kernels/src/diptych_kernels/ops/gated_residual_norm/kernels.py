# mypy: disable-error-code="no-untyped-def,untyped-decorator"
"""Triton kernels of ``gated_residual_norm``: a row of ``d`` stays in registers throughout.

An argument in capitals is a pointer; one that is None is compiled out, and with it its branch.
Strides are in elements, for the axes ``b``, ``n`` and ``d``. Offsets are int64, since both the
row and the column part may exceed 2^31 elements. Arithmetic is in float32.
"""

import triton
import triton.language as tl

from diptych_kernels.triton_math import tanh


@triton.jit
def forward_kernel(
    X, Y, WEIGHT, BRANCH_WEIGHT, GATE, SCALE, H, Z,
    x_b, x_n, x_d, y_b, y_n, y_d,
    weight_d, branch_weight_d, gate_b, gate_d, scale_b, scale_d,
    tokens, width, eps,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """One program, one row: h and z from x and y; h alone without WEIGHT. Both are contiguous."""
    row = tl.program_id(0)
    b = (row // tokens).to(tl.int64)
    n = (row % tokens).to(tl.int64)
    column = tl.arange(0, BLOCK)
    live = column < width
    d = column.to(tl.int64)

    branch = tl.load(Y + b * y_b + n * y_n + d * y_d, mask=live, other=0.0).to(tl.float32)
    if BRANCH_WEIGHT is not None:
        rstd = tl.rsqrt(tl.sum(branch * branch, axis=0) / width + eps)
        factor = tl.load(BRANCH_WEIGHT + d * branch_weight_d, mask=live, other=0.0)
        branch = branch * rstd * factor.to(tl.float32)
    if GATE is not None:
        gate = tl.load(GATE + b * gate_b + d * gate_d, mask=live, other=0.0)
        branch = tanh(gate.to(tl.float32)) * branch
    x = tl.load(X + b * x_b + n * x_n + d * x_d, mask=live, other=0.0).to(tl.float32)
    h = (x + branch).to(H.dtype.element_ty)
    out = row.to(tl.int64) * width
    tl.store(H + out + column, h, mask=live)

    if WEIGHT is not None:
        # The norm sees h as stored, so that z can be recomputed from h alone.
        z = h.to(tl.float32)
        rstd = tl.rsqrt(tl.sum(z * z, axis=0) / width + eps)
        z = z * rstd * tl.load(WEIGHT + d * weight_d, mask=live, other=0.0).to(tl.float32)
        if SCALE is not None:
            scale = tl.load(SCALE + b * scale_b + d * scale_d, mask=live, other=0.0)
            z = z * (1.0 + scale.to(tl.float32))
        tl.store(Z + out + column, z.to(Z.dtype.element_ty), mask=live)


@triton.jit
def backward_kernel(
    GRAD_H, GRAD_Z, H, Y, WEIGHT, BRANCH_WEIGHT, GATE, SCALE,
    GRAD_X, GRAD_Y, NORM_SUMS, BRANCH_SUMS,
    grad_h_b, grad_h_n, grad_h_d, grad_z_b, grad_z_n, grad_z_d,
    h_b, h_n, h_d, y_b, y_n, y_d,
    weight_d, branch_weight_d, gate_b, gate_d, scale_b, scale_d,
    tokens, width, eps, rows_in_group, programs_in_group,
    ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program, up to ROWS rows of one group: grad_x, grad_y, and two sums over its rows.

    A group is a sample if there is a gate or a scale, else all rows. The sums are
    ``sum grad_z * h / rms(h)`` and ``sum grad_x * y / rms(y)``, from which the launcher makes
    the gradients of all that the rows share. Each program stores its own: no atomics.
    """
    program = tl.program_id(0)
    group = program // programs_in_group
    start = (program % programs_in_group) * ROWS
    column = tl.arange(0, BLOCK)
    in_row = column < width
    d = column.to(tl.int64)

    shared = group.to(tl.int64)
    if GRAD_Z is not None:
        weight = tl.load(WEIGHT + d * weight_d, mask=in_row, other=0.0).to(tl.float32)
        if SCALE is not None:
            scale = tl.load(SCALE + shared * scale_b + d * scale_d, mask=in_row, other=0.0)
            weight = weight * (1.0 + scale.to(tl.float32))
    if BRANCH_WEIGHT is not None:
        factor = tl.load(BRANCH_WEIGHT + d * branch_weight_d, mask=in_row, other=0.0)
        factor = factor.to(tl.float32)
        if GATE is not None:
            gate = tl.load(GATE + shared * gate_b + d * gate_d, mask=in_row, other=0.0)
            factor = factor * tanh(gate.to(tl.float32))
    elif GATE is not None:
        gate = tl.load(GATE + shared * gate_b + d * gate_d, mask=in_row, other=0.0)
        factor = tanh(gate.to(tl.float32))

    norm_sum = tl.zeros([BLOCK], dtype=tl.float32)
    branch_sum = tl.zeros([BLOCK], dtype=tl.float32)
    for i in range(ROWS):
        in_group = start + i < rows_in_group
        live = column < tl.where(in_group, width, 0)
        row = group * rows_in_group + start + i
        b = (row // tokens).to(tl.int64)
        n = (row % tokens).to(tl.int64)
        out = row.to(tl.int64) * width

        # Loaded early, to be on its way during the sums; widened late, to need few registers.
        if GRAD_H is not None:
            at = GRAD_H + b * grad_h_b + n * grad_h_n + d * grad_h_d
            grad_h = tl.load(at, mask=live, other=0.0)
        grad = tl.zeros([BLOCK], dtype=tl.float32)
        if GRAD_Z is not None:
            h = tl.load(H + b * h_b + n * h_n + d * h_d, mask=live, other=0.0).to(tl.float32)
            at = GRAD_Z + b * grad_z_b + n * grad_z_n + d * grad_z_d
            grad_z = tl.load(at, mask=live, other=0.0).to(tl.float32)
            # Rows beyond the group are all zero; with eps = 0 they would be 0 * inf.
            rstd = tl.where(in_group, tl.rsqrt(tl.sum(h * h, axis=0) / width + eps), 0.0)
            unit = h * rstd
            norm_sum += grad_z * unit
            grad_unit = grad_z * weight
            mean = tl.sum(grad_unit * unit, axis=0) / width
            grad = rstd * (grad_unit - unit * mean)
        if GRAD_H is not None:
            grad += grad_h.to(tl.float32)
        tl.store(GRAD_X + out + column, grad.to(GRAD_X.dtype.element_ty), mask=live)

        if BRANCH_WEIGHT is not None:
            y = tl.load(Y + b * y_b + n * y_n + d * y_d, mask=live, other=0.0).to(tl.float32)
            rstd = tl.where(in_group, tl.rsqrt(tl.sum(y * y, axis=0) / width + eps), 0.0)
            unit = y * rstd
            branch_sum += grad * unit
            grad_unit = grad * factor
            mean = rstd * tl.sum(grad_unit * y, axis=0) / width
            grad_y = rstd * (grad_unit - unit * mean)
            tl.store(GRAD_Y + out + column, grad_y.to(GRAD_Y.dtype.element_ty), mask=live)
        elif GATE is not None:
            y = tl.load(Y + b * y_b + n * y_n + d * y_d, mask=live, other=0.0).to(tl.float32)
            branch_sum += grad * y
            tl.store(GRAD_Y + out + column, (grad * factor).to(GRAD_Y.dtype.element_ty), mask=live)
        elif GRAD_Y is not None:
            tl.store(GRAD_Y + out + column, grad.to(GRAD_Y.dtype.element_ty), mask=live)

    sums = program.to(tl.int64) * width
    if GRAD_Z is not None:
        tl.store(NORM_SUMS + sums + column, norm_sum, mask=in_row)
    if BRANCH_SUMS is not None:
        tl.store(BRANCH_SUMS + sums + column, branch_sum, mask=in_row)
