"""Feed-forward of a Lumina head, 128 x 64 tokens, and of a 7 B language model, 8192 tokens."""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import silu

from byte_cases.case import Case, draw
from diptych_kernels import swiglu
from diptych_kernels.ops.swiglu import triton  # noqa: F401


_ops = torch.ops.diptych_kernels


def _lumina(gate: Tensor, up: Tensor) -> tuple[Tensor, ...]:
    """As diffusers' ``LuminaFeedForward`` with ``FP32SiLU``."""
    return (silu(gate.float()).to(gate.dtype) * up,)


def _llm(gate: Tensor, up: Tensor) -> tuple[Tensor, ...]:
    """As transformers' ``Qwen2MLP``."""
    return (silu(gate) * up,)


def _inputs(*shape: int) -> list[Tensor]:
    return [draw(*shape), draw(*shape)]


def _backward(gate: Tensor, up: Tensor) -> object:
    return _ops.swiglu_backward(gate, gate, up, True, True)


def _call(name: str, gate: Tensor, up: Tensor) -> tuple[Tensor, ...]:
    return (swiglu(gate, up, implementation=name),)


def cases() -> list[Case]:
    """Both."""
    return [
        Case("Lumina: b 128 n 64 f 4864", partial(_inputs, 128, 64, 4864), _lumina,
             _ops.swiglu_forward, _backward, call=_call),
        Case("LLM: b 4 n 2048 f 18944", partial(_inputs, 4, 2048, 18944), _llm,
             _ops.swiglu_forward, _backward, call=_call),
    ]  # fmt: skip
