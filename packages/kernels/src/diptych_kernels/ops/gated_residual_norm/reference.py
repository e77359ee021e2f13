"""Definition and oracle of ``gated_residual_norm``."""

import torch
from torch import Tensor


def gated_residual_norm_reference(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None,
    branch_weight: Tensor | None = None,
    gate: Tensor | None = None,
    scale: Tensor | None = None,
    eps: float = 1e-6,
) -> tuple[Tensor, Tensor | None]:
    """Adds a branch to the residual stream and normalises the sum for the next branch.

        h = x + tanh(gate) * RMSNorm(y) * branch_weight
        z = RMSNorm(h) * weight * (1 + scale)        RMSNorm(a) = a / sqrt(mean(a^2, d) + eps)

    Without ``branch_weight`` the branch is added as it is; without ``gate`` its factor is 1;
    without ``scale`` there is no modulation. With none of the three this is the residual-add
    and RMSNorm of a language model. Without ``weight`` there is no second norm, and z is None.

    Shapes: x, y, h, z ``b n d``; weight, branch_weight ``d``; gate, scale ``b d``, one for each
    sample and shared by its tokens.

    Dtypes: float32, bfloat16, float16, float64, which may differ between arguments. h has the
    dtype of x, z that of y. Everything is computed in float32 (float64 if any argument is) and
    rounded once at each output; z is computed from h as returned, that is, rounded.

    Source: the sandwich norm and tanh gate of Lumina-Next, arXiv 2406.18583, section 2.
    """
    arguments = (x, y, weight, branch_weight, gate, scale)
    double = any(a is not None and a.dtype == torch.float64 for a in arguments)
    wide = torch.float64 if double else torch.float32

    branch = y.to(wide)
    if branch_weight is not None:
        branch = _unit_rms(branch, eps) * branch_weight.to(wide)
    if gate is not None:
        branch = gate.to(wide).tanh().unsqueeze(1) * branch
    h = (x.to(wide) + branch).to(x.dtype)
    if weight is None:
        return h, None

    z = _unit_rms(h.to(wide), eps) * weight.to(wide)
    if scale is not None:
        z = z * (1 + scale.to(wide)).unsqueeze(1)
    return h, z.to(y.dtype)


def _unit_rms(a: Tensor, eps: float) -> Tensor:
    return a * torch.rsqrt(a.square().mean(-1, keepdim=True) + eps)
