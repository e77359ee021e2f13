"""Faults in ``gated_residual_norm``."""

from faults.fault import Fault


TESTS = ("test_gated_residual_norm_properties.py", "test_gated_residual_norm_large_offsets.py")

_OP = "ops/gated_residual_norm/"

FAULTS = (
    Fault("forward: mask one too short", _OP + "kernels.py",
          "live = column < width\n", "live = column < width - 1\n"),
    Fault("forward: mask one too long", _OP + "kernels.py",
          "live = column < width\n", "live = column <= width\n"),
    Fault("forward: gate of the token, not of the sample", _OP + "kernels.py",
          "GATE + b * gate_b", "GATE + n * gate_b"),
    Fault("forward: normalises h before rounding", _OP + "kernels.py",
          "z = h.to(tl.float32)", "z = x + branch"),
    Fault("forward: mean over the block, not the row", _OP + "kernels.py",
          "tl.sum(branch * branch, axis=0) / width", "tl.sum(branch * branch, axis=0) / BLOCK"),
    Fault("forward: squares accumulated in bfloat16", _OP + "kernels.py",
          "tl.sum(z * z, axis=0)", "tl.sum((z * z).to(tl.bfloat16).to(tl.float32), axis=0)"),
    Fault("forward: modulates by scale, not 1 + scale", _OP + "kernels.py",
          "z = z * (1.0 + scale.to(tl.float32))", "z = z * scale.to(tl.float32)"),
    Fault("forward: row offsets in int32", _OP + "kernels.py",
          "    b = (row // tokens).to(tl.int64)\n    n = (row % tokens).to(tl.int64)\n    column",
          "    b = row // tokens\n    n = row % tokens\n    column"),
    Fault("forward: column offsets in int32", _OP + "kernels.py",
          "live = column < width\n    d = column.to(tl.int64)",
          "live = column < width\n    d = column"),
    Fault("tanh: polynomial beyond its range", "triton_math.py",
          "magnitude < 0.625", "magnitude < 1.25"),
    Fault("backward: projection not scaled by 1/rms", _OP + "kernels.py",
          "mean = tl.sum(grad_unit * unit, axis=0)", "mean = tl.sum(grad_unit * h, axis=0)"),
    Fault("backward: branch gradient misses the gate", _OP + "kernels.py",
          "factor = factor * tanh(gate.to(tl.float32))", "factor = factor"),
    Fault("backward: one row too many in a group", _OP + "kernels.py",
          "start + i < rows_in_group", "start + i <= rows_in_group"),
    Fault("backward: sums kept in bfloat16", _OP + "kernels.py",
          "norm_sum += grad_z * unit",
          "norm_sum = (norm_sum + grad_z * unit).to(tl.bfloat16)"
          ".to(tl.float32)"),
    Fault("backward: programs of a group share one sum", _OP + "kernels.py",
          "sums = program.to(tl.int64) * width", "sums = group.to(tl.int64) * width"),
    Fault("backward: writes into the incoming gradient", _OP + "kernels.py",
          "tl.store(GRAD_X + out + column, grad.to(GRAD_X.dtype.element_ty), mask=live)",
          "tl.store(GRAD_X + out + column, grad.to(GRAD_X.dtype.element_ty), mask=live)\n"
          "        if GRAD_H is not None:\n"
          "            tl.store(GRAD_H + b * grad_h_b + n * grad_h_n + d * grad_h_d,"
          " grad.to(GRAD_H.dtype.element_ty), mask=live)"),
    Fault("backward: gradient of a plain branch rounded to the stream's dtype", _OP + "kernels.py",
          "tl.store(GRAD_Y + out + column, grad.to(GRAD_Y.dtype.element_ty), mask=live)",
          "tl.store(GRAD_Y + out + column, grad.to(GRAD_X.dtype.element_ty)"
          ".to(GRAD_Y.dtype.element_ty), mask=live)"),
    Fault("backward: derivative of tanh is 1 - tanh", _OP + "launch.py",
          "factor = 1 - tanh * tanh", "factor = 1 - tanh"),
    Fault("backward: weight gradient misses 1 + scale", _OP + "launch.py",
          "by_group = by_group * (1 + scale.float())", "by_group = by_group"),
)  # fmt: skip
