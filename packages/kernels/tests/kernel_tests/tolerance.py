"""How far a kernel may be from the float64 oracle, derived from dtype and length."""

import math

import torch
from torch import Tensor


# In units of the last place of float32, for each square root of a summand.
SLACK = 4.0


def assert_close(
    name: str,
    actual: Tensor,
    exact: Tensor,
    magnitude: Tensor,
    summands: int,
    also: Tensor | None = None,
) -> None:
    """Raises unless ``actual`` is ``exact``, computed in float32 and rounded once.

    Args:
        name: Of the output, for the message.
        actual: What the implementation returned.
        exact: The same in float64.
        magnitude: Sum of the absolute values of the terms that make up each element: what
            float32 errors are relative to, also where the terms cancel.
        summands: How many terms the longest sum has.
        also: Errors that the definition itself allows, such as of an intermediate that it rounds.
    """
    assert actual.shape == exact.shape, f"{name}: shape {actual.shape}, expected {exact.shape}"
    kind = torch.finfo(actual.dtype)
    value = actual.detach().double().cpu()
    exact, magnitude = exact.detach().double().cpu(), magnitude.detach().double().cpu()
    rounding = half_a_unit(exact, actual.dtype)
    allowed = rounding + SLACK * math.sqrt(max(1, summands)) * 2.0**-23 * magnitude
    allowed = allowed if also is None else allowed + also.detach().double().cpu()
    good = (value - exact).abs() <= allowed
    good |= value.isinf() & (value.sign() == exact.sign()) & (exact.abs() + allowed >= kind.max)
    if not good.all():
        worst = ((value - exact).abs() / allowed).nan_to_num(nan=math.inf).argmax()
        at = tuple(int(i) for i in torch.unravel_index(worst, value.shape))
        raise AssertionError(
            f"{name}{list(at)} is {value[at].item():.9g}, exactly {exact[at].item():.9g}: off by "
            f"{abs(value[at] - exact[at]).item():.3g}, allowed {allowed[at].item():.3g} "
            f"({int((~good).sum())} of {good.numel()} elements are off)"
        )


def half_a_unit(exact: Tensor, dtype: torch.dtype) -> Tensor:
    """What rounding to a dtype may change, and a little, for float32 has rounded before."""
    kind = torch.finfo(dtype)
    return 0.505 * (kind.eps * exact.abs()).clamp_min(kind.smallest_normal * kind.eps)
