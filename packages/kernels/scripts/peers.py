"""The same operations in other libraries, where they are installed: for the benchmark alone.

A peer takes the inputs of the byte case and returns what it computes; it is timed forward, and
backward through autograd. Liger's backward of SwiGLU and RoPE writes into what it is given; that
spoils values, not times.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any


def peers(operation: str, shape: str) -> dict[str, Callable[..., Any]]:
    """Those for a case, by the name of their library."""
    found: dict[str, Callable[..., Any]] = {}
    if find_spec("liger_kernel") is not None:
        if operation == "swiglu":
            found["liger"] = _liger_swiglu
        elif operation == "linear_cross_entropy":
            found["liger"] = _liger_linear_cross_entropy
        elif operation == "gated_residual_norm" and shape.startswith("LLM"):
            found["liger"] = _liger_residual_add
        elif operation == "qk_norm_rope" and "no norm" in shape:
            found["liger"] = _liger_rope
    if find_spec("cut_cross_entropy") is not None and operation == "linear_cross_entropy":
        found["cce"] = _cce
    return found


def _liger_swiglu(gate: Any, up: Any) -> Any:
    from liger_kernel.ops.swiglu import LigerSiLUMulFunction

    return (LigerSiLUMulFunction.apply(gate, up),)


def _liger_residual_add(x: Any, y: Any, weight: Any) -> Any:
    from liger_kernel.ops.fused_add_rms_norm import LigerFusedAddRMSNormFunction

    z, h = LigerFusedAddRMSNormFunction.apply(y, x, weight, 1e-6, 0.0, "llama", False)
    return h, z


def _liger_rope(q: Any, k: Any, cos: Any, sin: Any) -> Any:
    """It wants heads before tokens, and every angle twice; it writes into what it is given."""
    import torch
    from liger_kernel.ops.rope import LigerRopeFunction

    table = (torch.cat([a, a], -1).to(q.dtype)[None] for a in (cos, sin))
    q, k = LigerRopeFunction.apply(q.transpose(1, 2), k.transpose(1, 2), *table)
    return q.transpose(1, 2), k.transpose(1, 2)


def _liger_linear_cross_entropy(x: Any, weight: Any, labels: Any) -> Any:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    return (LigerFusedLinearCrossEntropyLoss()(weight, x, labels),)


def _cce(x: Any, weight: Any, labels: Any) -> Any:
    from cut_cross_entropy import linear_cross_entropy

    return (linear_cross_entropy(x, weight, labels),)
