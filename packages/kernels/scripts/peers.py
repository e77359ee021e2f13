"""The same operations in other libraries, where they are installed: for the benchmark alone.

A peer takes the inputs of the byte case and returns what it computes; it is timed forward, and
backward through autograd.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any


def peers(operation: str) -> dict[str, Callable[..., Any]]:
    """Those for an operation, by the name of their library."""
    found: dict[str, Callable[..., Any]] = {}
    if find_spec("liger_kernel") is not None:
        if operation == "swiglu":
            found["liger"] = _liger_swiglu
        elif operation == "linear_cross_entropy":
            found["liger"] = _liger_linear_cross_entropy
    if find_spec("cut_cross_entropy") is not None and operation == "linear_cross_entropy":
        found["cce"] = _cce
    return found


def _liger_swiglu(gate: Any, up: Any) -> Any:
    from liger_kernel.ops.swiglu import LigerSiLUMulFunction

    return (LigerSiLUMulFunction.apply(gate, up),)


def _liger_linear_cross_entropy(x: Any, weight: Any, labels: Any) -> Any:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    return (LigerFusedLinearCrossEntropyLoss()(weight, x, labels),)


def _cce(x: Any, weight: Any, labels: Any) -> Any:
    from cut_cross_entropy import linear_cross_entropy

    return (linear_cross_entropy(x, weight, labels),)
