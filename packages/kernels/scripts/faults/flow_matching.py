"""Faults in the flow-matching pair."""

from faults.fault import Fault


TESTS = ("test_flow_matching_properties.py", "test_flow_matching_large_offsets.py")

_OP = "ops/flow_matching/"

FAULTS = (
    Fault("tile: a channel too many", "triton_tiles.py",
          "(c < channels)[None, :]", "(c <= channels)[None, :]"),
    Fault("tile: a token too few", "triton_tiles.py",
          "live = (n < tokens)[:, None]", "live = (n < tokens - 1)[:, None]"),
    Fault("tile: offsets in int32", "triton_tiles.py",
          "return b, n.to(tl.int64)[:, None], c.to(tl.int64)[None, :], live",
          "return b.to(tl.int32), n[:, None], c[None, :], live"),
    Fault("interpolate: time runs the other way", _OP + "kernels.py",
          "out = (1.0 - t) * x + t * noise", "out = t * x + (1.0 - t) * noise"),
    Fault("interpolate: the time of the first sample", _OP + "kernels.py",
          "t = tl.load(T + b * t_b)", "t = tl.load(T)"),
    Fault("interpolate: mixed in bfloat16", _OP + "kernels.py",
          "t = tl.load(T + b * t_b).to(tl.float32)",
          "t = tl.load(T + b * t_b).to(tl.bfloat16).to(tl.float32)"),
    Fault("interpolate: gradients exchanged", _OP + "triton.py",
          "torch.stack([1 - t, t], 1)", "torch.stack([t, 1 - t], 1)"),
    Fault("loss: velocity is data minus noise", _OP + "kernels.py",
          "error = prediction - (noise - x)", "error = prediction - (x - noise)"),
    Fault("loss: masked tokens count", _OP + "launch.py",
          "count = mask.sum(1).float() * shape[2]",
          "count = torch.full_like(mask[:, 0], shape[1] * shape[2], dtype=torch.float32)"),
    Fault("loss: the mask is turned round", _OP + "kernels.py",
          "live = live & (real != 0)", "live = live & (real == 0)"),
    Fault("loss: mask of the first sample", _OP + "kernels.py",
          "MASK + b * mask_b + n * mask_n", "MASK + n * mask_n"),
    Fault("loss: squares rounded to bfloat16", _OP + "kernels.py",
          "tl.sum(error * error, axis=1)",
          "tl.sum((error * error).to(tl.bfloat16).to(tl.float32), axis=1)"),
    Fault("loss: errors of masked tokens are not stored", _OP + "kernels.py",
          "tl.store(ERROR + at, error.to(ERROR.dtype.element_ty), mask=stored)",
          "tl.store(ERROR + at, error.to(ERROR.dtype.element_ty), mask=live)"),
    Fault("loss: gradient without its 2", _OP + "triton.py",
          "factor = 2 * grad.float() / count", "factor = grad.float() / count"),
    Fault("loss: gradient forgets the incoming one", _OP + "triton.py",
          "factor = 2 * grad.float() / count", "factor = 2 / count"),
    Fault("loss: noise has the gradient of the data", _OP + "triton.py",
          "torch.stack([factor, -factor], 1)", "torch.stack([factor, factor], 1)"),
    Fault("backward: factor of the sample before", _OP + "kernels.py",
          "out = tl.load(FACTOR + 2 * b) * a", "out = tl.load(FACTOR + 2 * (b - (b > 0))) * a"),
)  # fmt: skip
