"""Launchers of the ``gated_residual_norm`` kernels: allocation, grid and launch table.

Tensors are ``b n d`` here, and have been checked.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from diptych_kernels.launching import on_device, power_of_two
from diptych_kernels.ops.gated_residual_norm.arguments import LONGEST_ROW
from diptych_kernels.ops.gated_residual_norm.kernels import backward_kernel, forward_kernel


_BACKWARD_PROGRAMS = 512
_WAVE = 64 if torch.version.hip is not None else 32


class Launch(NamedTuple):
    """How either kernel is launched: elements and threads for a row, of which one program has one.

    ``threads`` is 8 elements each, a 16-byte load of bfloat16: no spills on any device compiled
    for, see reports/compile.
    """

    block: int
    threads: int

    def warps(self, wave: int) -> int:
        """For a device that runs ``wave`` threads in lockstep."""
        return max(1, self.threads // wave)


def launch_for(width: int) -> Launch:
    """The launch table: a power of two that holds the row."""
    if width > LONGEST_ROW:
        raise ValueError(
            f"gated_residual_norm: the kernels hold a row of up to {LONGEST_ROW} elements, got "
            f"{width}; use implementation='reference' or 'compile'"
        )
    block = max(16, power_of_two(width))
    return Launch(block, min(max(block // 8, 32), 512))


def backward_rows(rows_in_group: int, rows: int) -> int:
    """Rows for each backward program, a power of two.

    Few enough programs that their sums are a small part of the traffic, enough of them to fill
    a large device. It depends on shapes alone, so that sums are added in the same order always.
    """
    wanted = max(4, -(-rows // _BACKWARD_PROGRAMS))
    return power_of_two(min(wanted, rows_in_group))


def launch_forward(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None,
    branch_weight: Tensor | None,
    gate: Tensor | None,
    scale: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor]:
    """Returns h and z, both contiguous; z is ``[0]`` without a weight."""
    batch, tokens, width = x.shape
    h = torch.empty((batch, tokens, width), dtype=x.dtype, device=x.device)
    z = torch.empty(0 if weight is None else h.shape, dtype=y.dtype, device=y.device)
    if h.numel() == 0:
        return h, z
    launch = launch_for(width)
    with on_device(x):
        forward_kernel[(batch * tokens,)](
            x, y, weight, branch_weight, gate, scale, h, None if weight is None else z,
            *x.stride(), *y.stride(),
            *_strides(weight, 1), *_strides(branch_weight, 1),
            *_strides(gate, 2), *_strides(scale, 2),
            tokens, width, eps,
            BLOCK=launch.block, num_warps=launch.warps(_WAVE),
        )  # fmt: skip
    return h, z


class Gradients(NamedTuple):
    """Gradients of the arguments; a tensor of shape ``[0]`` where an argument is absent.

    ``y`` is also ``[0]`` in a plain residual add of one dtype, where it is ``x``.
    """

    x: Tensor
    y: Tensor
    weight: Tensor
    branch_weight: Tensor
    gate: Tensor
    scale: Tensor


def launch_backward(
    grad_h: Tensor | None,
    grad_z: Tensor | None,
    h: Tensor,
    y: Tensor | None,
    y_dtype: torch.dtype,
    weight: Tensor | None,
    branch_weight: Tensor | None,
    gate: Tensor | None,
    scale: Tensor | None,
    eps: float,
) -> Gradients:
    """Returns all gradients. ``y`` may be None if there is neither branch weight nor gate."""
    batch, tokens, width = h.shape
    rows = batch * tokens
    groups = batch if gate is not None or scale is not None else min(1, rows)
    rows_in_group = rows // groups if groups else 0
    each = backward_rows(rows_in_group, rows)
    programs = -(-rows_in_group // each)

    def sums(wanted: bool) -> Tensor | None:
        shape = (groups, programs, width)
        return torch.empty(shape, dtype=torch.float32, device=h.device) if wanted else None

    plain = branch_weight is None and gate is None
    norm_sums, branch_sums = sums(grad_z is not None), sums(not plain)
    grad_x = torch.empty(h.shape, dtype=h.dtype, device=h.device)
    same = plain and y_dtype == h.dtype
    grad_y = None if same else torch.empty(h.shape, dtype=y_dtype, device=h.device)
    if h.numel() > 0:
        launch = launch_for(width)
        with on_device(h):
            backward_kernel[(groups * programs,)](
                grad_h, grad_z, h, None if plain else y, weight, branch_weight, gate, scale,
                grad_x, grad_y, norm_sums, branch_sums,
                *_strides(grad_h, 3), *_strides(grad_z, 3), *h.stride(),
                *_strides(None if plain else y, 3),
                *_strides(weight, 1), *_strides(branch_weight, 1),
                *_strides(gate, 2), *_strides(scale, 2),
                tokens, width, eps, rows_in_group, programs,
                ROWS=each, BLOCK=launch.block, num_warps=launch.warps(_WAVE),
            )  # fmt: skip
    return _share(grad_x, grad_y, norm_sums, branch_sums, weight, branch_weight, gate, scale)


def _share(
    grad_x: Tensor,
    grad_y: Tensor | None,
    norm_sums: Tensor | None,
    branch_sums: Tensor | None,
    weight: Tensor | None,
    branch_weight: Tensor | None,
    gate: Tensor | None,
    scale: Tensor | None,
) -> Gradients:
    """Turns the programs' sums, ``group program d``, into gradients of what the rows share."""
    grad_scale, grad_gate, grad_branch_weight = (grad_x.new_empty(0) for _ in range(3))
    if weight is None:
        grad_weight = grad_x.new_empty(0)
    elif norm_sums is None:
        grad_weight = torch.zeros(weight.shape, dtype=weight.dtype, device=weight.device)
        if scale is not None:
            grad_scale = torch.zeros(scale.shape, dtype=scale.dtype, device=scale.device)
    else:
        by_group = norm_sums.sum(1)
        if scale is not None:
            grad_scale = (by_group * weight.float()).to(scale.dtype).contiguous()
            by_group = by_group * (1 + scale.float())
        grad_weight = by_group.sum(0).to(weight.dtype)
    if branch_sums is not None:
        by_group = branch_sums.sum(1)
        if gate is not None:
            tanh = gate.float().tanh()
            factor = 1 - tanh * tanh
            if branch_weight is not None:
                factor = factor * branch_weight.float()
            grad_gate = (by_group * factor).to(gate.dtype).contiguous()
            by_group = by_group * tanh
        if branch_weight is not None:
            grad_branch_weight = by_group.sum(0).to(branch_weight.dtype)
    grad_y = grad_x.new_empty(0) if grad_y is None else grad_y
    return Gradients(grad_x, grad_y, grad_weight, grad_branch_weight, grad_gate, grad_scale)


def _strides(tensor: Tensor | None, axes: int) -> tuple[int, ...]:
    return (0,) * axes if tensor is None else tensor.stride()
