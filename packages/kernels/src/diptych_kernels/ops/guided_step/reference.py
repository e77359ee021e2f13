"""Definition and oracle of ``guided_step``."""

import torch
from torch import Tensor


def guided_step_reference(
    x: Tensor,
    conditional: Tensor,
    null: Tensor | None,
    before: Tensor | None,
    dt: float | Tensor,
    scale: float | Tensor = 1.0,
    ratio: float | Tensor = 1.0,
    rescale: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Combines two predictions and follows the result for one step.

        g  = null + scale * (conditional - null)                        conditional if scale is 1
        v  = g * (rescale * std(conditional) / std(g) + 1 - rescale)    g if scale is 1
        x' = x + dt * (v + ratio / 2 * (v - before))                    x + dt * v without before

    std is over all of a sample; where std(g) is 0 the quotient counts as 1. Without ``null`` g is
    ``conditional``. With ``before`` = v of the last step and ``ratio`` = dt / (the last dt) this is
    the two-step Adams-Bashforth method, else Euler's. To guide within an interval only, pass
    scale 1 outside it: ``null`` is then not used, whatever it holds.

    Shapes: x, conditional, null, before, x', v ``b m``; dt, scale, ratio numbers, or tensors of
    one element, which a CUDA graph reads anew at each replay; rescale a number in [0, 1].

    Dtypes: x float32 or float64; the predictions also bfloat16 or float16. Everything is computed
    and returned in float32 (float64 if any argument is): in 16 bits, small steps would be lost.

    Source: guidance arXiv 2207.12598; rescaling arXiv 2305.08891, eqs. 15-16; limited interval
    arXiv 2404.07724; Adams-Bashforth: Hairer, Norsett & Wanner, Solving ODEs I, III.5.
    """
    tensors = [a for a in (x, conditional, null, before) if a is not None]
    double = any(a.dtype == torch.float64 for a in tensors)
    wide = torch.float64 if double else torch.float32
    x, v = x.to(wide), conditional.to(wide)
    dt, scale, ratio = (_scalar(a, x) for a in (dt, scale, ratio))
    if null is not None:
        guided = null.to(wide) + scale * (v - null.to(wide))
        if rescale > 0:
            own, squares = _deviation(v), _deviation(guided)
            quotient = torch.where(squares == 0, 1.0, own / squares).sqrt()
            guided = guided * (rescale * quotient + (1 - rescale))
        v = torch.where(scale == 1, v, guided)
    slope = v if before is None else v + ratio / 2 * (v - before.to(wide))
    return x + dt * slope, v


def _scalar(value: float | Tensor, like: Tensor) -> Tensor:
    return (
        value.to(like.dtype).reshape(()) if isinstance(value, Tensor) else like.new_full((), value)
    )


def _deviation(a: Tensor) -> Tensor:
    return (a - a.mean(1, keepdim=True)).square().sum(1, keepdim=True)
