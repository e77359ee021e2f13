"""Gated feed-forward networks: two projections, their product, a third projection."""

from typing import Any

from torch import Tensor, nn

from diptych_kernels.fuse.rule import Rule, passed_over
from diptych_kernels.ops.swiglu import swiglu


def _language_model(self: Any, x: Tensor) -> Tensor:
    out: Tensor = self.down_proj(
        swiglu(self.gate_proj(x), self.up_proj(x), implementation=self._fused_implementation)
    )
    return out


def _qwen_vision(self: Any, hidden_state: Tensor) -> Tensor:
    return _language_model(self, hidden_state)


def _lumina(self: Any, x: Tensor) -> Tensor:
    out: Tensor = self.linear_2(
        swiglu(self.linear_1(x), self.linear_3(x), implementation=self._fused_implementation)
    )
    return out


def _not_silu(module: Any) -> str | None:
    activation = type(module.act_fn).__name__
    if not isinstance(module.act_fn, nn.SiLU) and activation != "SiLUActivation":
        return f"its activation is {activation}, not SiLU"
    return passed_over(module, ("act_fn",))


_OPERATIONS = ("swiglu",)
FEED_FORWARD = (
    Rule(("Qwen2MLP", "Qwen3MLP", "LlamaMLP"), _OPERATIONS, _language_model, ("x",), _not_silu),
    Rule(("Qwen2_5_VLMLP",), _OPERATIONS, _qwen_vision, ("hidden_state",), _not_silu),
    Rule(("LuminaFeedForward",), _OPERATIONS, _lumina, ("x",), lambda m: passed_over(m, ("silu",))),
    Rule(("GatedFeedForward",), _OPERATIONS, _lumina, ("x",), lambda module: None),
)
