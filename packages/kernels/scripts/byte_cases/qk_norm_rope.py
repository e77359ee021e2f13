"""Self-attention of a Lumina head, 128 x 64 tokens; Qwen3 8 B and Qwen2.5 7 B, 8192 tokens."""

from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from byte_cases.case import Case, draw, rms_norm
from diptych_kernels import qk_norm_rope
from diptych_kernels.ops.qk_norm_rope import triton  # noqa: F401


_ops = torch.ops.diptych_kernels
_HEADS = {"row": (28, 28, 64), "head": (32, 8, 128), None: (28, 4, 128)}


def _lumina(
    q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, *parameters: Tensor
) -> tuple[Tensor, ...]:
    """As diffusers' ``LuminaAttnProcessor2_0``: LayerNorm, then complex numbers in float32."""
    turn = torch.complex(cos, sin)[:, None]
    outputs = []
    for a, weight, bias in zip((q, k), parameters[:2], parameters[2:], strict=True):
        normed = layer_norm(a.flatten(2), weight.shape, weight, bias, 1e-5).view(a.shape)
        pairs = torch.view_as_complex(normed.float().unflatten(-1, (-1, 2)))
        outputs.append(torch.view_as_real(pairs * turn).flatten(3).type_as(a))
    return tuple(outputs)


def _llm(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
    """As transformers' ``Qwen3Attention``, or ``Qwen2Attention`` without weights."""
    cos, sin = (torch.cat([a, a], -1).to(q.dtype)[:, None] for a in (cos, sin))
    if weights:
        q, k = rms_norm(q, weights[0]), rms_norm(k, weights[1])

    def half(x: Tensor) -> Tensor:
        u, v = x.chunk(2, -1)
        return torch.cat((-v, u), -1)

    return q * cos + half(q) * sin, k * cos + half(k) * sin


def _inputs(norm: str | None) -> list[Tensor]:
    heads, kv_heads, width = _HEADS[norm]
    batch, tokens = (128, 64) if norm == "row" else (4, 2048)
    sizes = {"row": (heads * width, kv_heads * width) * 2, "head": (width, width), None: ()}[norm]
    return [
        draw(batch, tokens, heads, width), draw(batch, tokens, kv_heads, width),
        *(draw(tokens, width // 2, dtype=torch.float32, learned=False) for _ in range(2)),
        *map(draw, sizes),
    ]  # fmt: skip


def _arguments(inputs: tuple[Tensor, ...], norm: str | None) -> tuple[object, ...]:
    pairs = "adjacent" if norm == "row" else "halves"
    return (*inputs, *[None] * (8 - len(inputs)), norm, pairs, 1e-6)


def _forward(*inputs: Tensor, norm: str | None) -> object:
    return _ops.qk_norm_rope_forward(*_arguments(inputs, norm))


def _backward(*inputs: Tensor, norm: str | None) -> object:
    return _ops.qk_norm_rope_backward(inputs[0], inputs[1], *_arguments(inputs, norm))


def _call(name: str, *inputs: Tensor, norm: str | None) -> tuple[Tensor, ...]:
    q, k, cos, sin, *parameters = (*inputs, *[None] * (8 - len(inputs)))
    names = ("q_weight", "k_weight", "q_bias", "k_bias")
    outputs = qk_norm_rope(
        q, k, cos, sin, **dict(zip(names, parameters, strict=True)), norm=norm,
        pairs="adjacent" if norm == "row" else "halves", implementation=name,
        eps=1e-5 if norm == "row" else 1e-6,
    )  # fmt: skip
    return tuple(a for a in outputs if a is not None)


def cases() -> list[Case]:
    """All three."""
    shapes = {
        "row": "Lumina: b 128 n 64 h 28 d 64",
        "head": "Qwen3: b 4 n 2048 h 32 g 8 d 128",
        None: "Qwen2.5, no norm: b 4 n 2048 h 28 g 4 d 128",
    }
    return [
        Case(shape, partial(_inputs, norm), _lumina if norm == "row" else _llm,
             partial(_forward, norm=norm), partial(_backward, norm=norm),
             call=partial(_call, norm=norm))
        for norm, shape in shapes.items()
    ]  # fmt: skip
