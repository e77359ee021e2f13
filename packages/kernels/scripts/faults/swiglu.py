"""Faults in ``swiglu``."""

from faults.fault import Fault


TESTS = ("test_swiglu_properties.py", "test_swiglu_large_offsets.py")

_KERNELS = "ops/swiglu/kernels.py"

FAULTS = (
    Fault("tile: a token too many", "triton_tiles.py", "(n < tokens)[:, None]",
          "(n <= tokens)[:, None]"),
    Fault("tile: offsets in int32", "triton_tiles.py",
          "return b, n.to(tl.int64)[:, None], c.to(tl.int64)[None, :], live",
          "return b.to(tl.int32), n[:, None], c[None, :], live"),
    Fault("tiling: strided tensors are read as contiguous ones", "tiling.py",
          "all(tensor.is_contiguous() for tensor in tensors)", "True"),
    Fault("forward: gates with the sigmoid", _KERNELS,
          "out = gate / (1.0 + tl.exp(-gate)) * up", "out = up / (1.0 + tl.exp(-gate))"),
    Fault("forward: gate and up exchanged", _KERNELS,
          "out = gate / (1.0 + tl.exp(-gate)) * up", "out = up / (1.0 + tl.exp(-up)) * gate"),
    Fault("forward: silu rounded to bfloat16", _KERNELS,
          "out = gate / (1.0 + tl.exp(-gate)) * up",
          "out = (gate / (1.0 + tl.exp(-gate))).to(tl.bfloat16).to(tl.float32) * up"),
    Fault("backward: derivative of the sigmoid alone", _KERNELS,
          "(1.0 + gate * shut)", "(gate * shut)"),
    Fault("backward: cancels where the gate is open", _KERNELS,
          "shut = 1.0 / (1.0 + tl.exp(gate))", "shut = 1.0 - 1.0 / (1.0 + tl.exp(-gate * 0.99))"),
    Fault("backward: gradient of the gate misses up", _KERNELS,
          "out = grad * up * open_", "out = grad * open_"),
    Fault("backward: gradient of up misses the gate", _KERNELS,
          "out = grad * gate * open_", "out = grad * open_"),
    Fault("backward: writes into the incoming gradient", _KERNELS,
          "tl.store(GRAD_GATE + at,", "tl.store(GRAD + b * grad_b + n * grad_n + f * grad_f,"),
)  # fmt: skip
