"""Launchers of the ``qk_norm_rope`` kernels: allocation, grid and launch table.

q is ``b n h d``, k is ``b n g d`` or None; both have been checked.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from diptych_kernels.launching import on_device, power_of_two
from diptych_kernels.ops.qk_norm_rope.arguments import MOST_ELEMENTS
from diptych_kernels.ops.qk_norm_rope.kernels import backward_kernel, forward_kernel


_BACKWARD_PROGRAMS = 512
_WAVE = 64 if torch.version.hip is not None else 32


class Launch(NamedTuple):
    """How a kernel is launched.

    ``q_heads``, ``k_heads`` and ``pairs`` are the powers of two that one program holds, ``parts``
    how many programs share the heads of a token. ``threads`` is 8 elements each.
    """

    q_heads: int
    k_heads: int
    pairs: int
    parts: int
    threads: int

    def warps(self, wave: int) -> int:
        """For a device that runs ``wave`` threads in lockstep."""
        return max(1, self.threads // wave)


def launch_for(q_heads: int, k_heads: int, pairs: int, norm: str | None) -> Launch:
    """The launch table. With ``norm="row"`` all heads of a token must be in one program."""
    width = power_of_two(pairs)
    most = max(1, MOST_ELEMENTS // (2 * width))
    # Parts of at least one head each; of many heads as many as fit.
    q_held, k_held = (min(max(1, power_of_two(heads)), most) for heads in (q_heads, k_heads))
    parts = max(-(-q_heads // q_held), -(-k_heads // k_held))
    if 2 * width > MOST_ELEMENTS or (norm == "row" and parts > 1):
        raise ValueError(
            f"qk_norm_rope: the kernels hold {MOST_ELEMENTS} elements of a "
            f"{'token' if norm == 'row' else 'head'}, got {max(q_heads, k_heads)} heads of "
            f"{2 * pairs}; use implementation='reference' or 'compile'"
        )
    elements = max(q_held, k_held) * 2 * width
    return Launch(q_held, k_held, width, parts, min(max(elements // 8, 32), 512))


def backward_rows(tokens: int) -> int:
    """Tokens for each backward program, a power of two.

    Few enough programs that their sums are a small part of the traffic, enough of them to fill
    a large device. It depends on shapes alone, so that sums are added in the same order always.
    """
    return power_of_two(min(max(4, -(-tokens // _BACKWARD_PROGRAMS)), tokens))


def launch_forward(
    q: Tensor,
    k: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    q_weight: Tensor | None,
    k_weight: Tensor | None,
    q_bias: Tensor | None,
    k_bias: Tensor | None,
    norm: str | None,
    pairs: str,
    eps: float,
) -> tuple[Tensor, Tensor]:
    """Returns q and k, normalised and turned, contiguous; k has shape ``[0]`` where it is None."""
    batch, tokens, q_heads, width = q.shape
    q_out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    k_out = q.new_empty(0) if k is None else torch.empty(k.shape, dtype=k.dtype, device=k.device)
    if q_out.numel() + k_out.numel() == 0:
        return q_out, k_out
    k_heads = 0 if k is None else k.shape[2]
    launch = launch_for(q_heads, k_heads, width // 2, norm)
    with on_device(q):
        forward_kernel[(batch * tokens, launch.parts)](
            q, k, cos, sin, q_weight, k_weight, q_bias, k_bias, q_out, k_out,
            *q.stride(), *_strides(k), *_table_strides(cos), *_table_strides(sin),
            *_weight_strides(q_weight, width, norm), *_weight_strides(k_weight, width, norm),
            *_weight_strides(q_bias, width, norm), *_weight_strides(k_bias, width, norm),
            tokens, q_heads, k_heads, width // 2, eps,
            NORM=norm, ADJACENT=pairs == "adjacent", Q_HEADS=launch.q_heads,
            K_HEADS=launch.k_heads, PAIRS=launch.pairs, num_warps=launch.warps(_WAVE),
        )  # fmt: skip
    return q_out, k_out


class Gradients(NamedTuple):
    """Gradients of the arguments; a tensor of shape ``[0]`` where there is none."""

    q: Tensor
    k: Tensor
    q_weight: Tensor
    k_weight: Tensor
    q_bias: Tensor
    k_bias: Tensor


def launch_backward(
    grad_q_out: Tensor | None,
    grad_k_out: Tensor | None,
    q: Tensor,
    k: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    q_weight: Tensor | None,
    k_weight: Tensor | None,
    q_bias: Tensor | None,
    k_bias: Tensor | None,
    norm: str | None,
    pairs: str,
    eps: float,
) -> Gradients:
    """Returns all gradients. Where the incoming one of q or k is None, so is all that follows."""
    batch, tokens, q_heads, width = q.shape
    k_heads = 0 if k is None else k.shape[2]
    every = batch * tokens
    rows = backward_rows(every) if every else 1
    programs = -(-every // rows)

    def like(grad: Tensor | None, a: Tensor | None) -> Tensor | None:
        if grad is None or a is None:
            return None
        return torch.empty(a.shape, dtype=a.dtype, device=a.device)

    def sums(grad: Tensor | None, a: Tensor | None, parameter: Tensor | None) -> Tensor | None:
        if grad is None or a is None or parameter is None:
            return None
        shape = (programs, a.shape[2], width)
        return torch.empty(shape, dtype=torch.float32, device=a.device)

    grad_q, grad_k = like(grad_q_out, q), like(grad_k_out, k)
    of_q = [sums(grad_q_out, q, parameter) for parameter in (q_weight, q_bias)]
    of_k = [sums(grad_k_out, k, parameter) for parameter in (k_weight, k_bias)]
    if any(grad is not None and grad.numel() for grad in (grad_q, grad_k)):
        launch = launch_for(q_heads, k_heads, width // 2, norm)
        with on_device(q):
            backward_kernel[(programs, launch.parts)](
                grad_q_out, grad_k_out, q, k, cos, sin, q_weight, k_weight,
                grad_q, grad_k, of_q[0], of_k[0], of_q[1], of_k[1],
                *_strides(grad_q_out), *_strides(grad_k_out), *q.stride(), *_strides(k),
                *_table_strides(cos), *_table_strides(sin),
                *_weight_strides(q_weight, width, norm), *_weight_strides(k_weight, width, norm),
                every, tokens, q_heads, k_heads, width // 2, eps,
                ROWS=rows, NORM=norm, ADJACENT=pairs == "adjacent", Q_HEADS=launch.q_heads,
                K_HEADS=launch.k_heads, PAIRS=launch.pairs, num_warps=launch.warps(_WAVE),
            )  # fmt: skip

    def shared(sums: Tensor | None, parameter: Tensor | None) -> Tensor:
        if sums is None or parameter is None:
            return q.new_empty(0)
        total = sums.sum((0, 1)) if norm == "head" else sums.sum(0).flatten()
        return total.to(parameter.dtype)

    return Gradients(
        q.new_empty(0) if grad_q is None else grad_q,
        q.new_empty(0) if grad_k is None else grad_k,
        shared(of_q[0], q_weight),
        shared(of_k[0], k_weight),
        shared(of_q[1], q_bias),
        shared(of_k[1], k_bias),
    )


def _strides(tensor: Tensor | None) -> tuple[int, ...]:
    return (0,) * 4 if tensor is None else tensor.stride()


def _table_strides(table: Tensor) -> tuple[int, ...]:
    return table.stride() if table.dim() == 3 else (0, *table.stride())


def _weight_strides(weight: Tensor | None, width: int, norm: str | None) -> tuple[int, int]:
    """Of heads and of channels: heads share the weight of a norm of each head."""
    if weight is None:
        return 0, 0
    return (0 if norm == "head" else width * weight.stride(0)), weight.stride(0)
