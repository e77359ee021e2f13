"""What a network predicts, and how one prediction follows from another.

With x = alpha * clean + sigma * noise, a network may predict `clean`, `noise`, the `velocity` dx/dt
= alpha' * clean + sigma' * noise of flow matching, or the `v` = alpha * noise - sigma * clean of
Salimans & Ho (arXiv 2202.00512), the velocity by angle. Any one of them and x give the others. A
division by alpha (from noise, at t = 1) or sigma (from clean, at t = 0) has a floor: there the
answer is not determined, and an unbounded one would only magnify the network's error.
"""

from __future__ import annotations

from typing import Literal, assert_never

from torch import Tensor

from diptych_heads.mixing import Mixing


Prediction = Literal["velocity", "clean", "noise", "v"]

# below the least alpha of DDPM's own schedule, 0.0063
ALPHA_FLOOR = 4e-3
SIGMA_FLOOR = 1e-4


def training_target(kind: Prediction, clean: Tensor, noise: Tensor, mixing: Mixing) -> Tensor:
    """Compute what the network should have predicted, for samples `b ...`."""
    match kind:
        case "velocity":
            return mixing.d_alpha * clean + mixing.d_sigma * noise
        case "clean":
            return clean
        case "noise":
            return noise
        case "v":
            return mixing.alpha * noise - mixing.sigma * clean
        case _:
            assert_never(kind)


def to_clean(kind: Prediction, prediction: Tensor, x: Tensor, mixing: Mixing) -> Tensor:
    """Compute the clean target from a prediction at x, `b ...`."""
    match kind:
        case "velocity":
            return (mixing.d_sigma * x - mixing.sigma * prediction) / _determinant(mixing)
        case "clean":
            return prediction
        case "noise":
            return (x - mixing.sigma * prediction) / mixing.alpha.clamp(min=ALPHA_FLOOR)
        case "v":
            return (mixing.alpha * x - mixing.sigma * prediction) / _power(mixing)
        case _:
            assert_never(kind)


def to_noise(kind: Prediction, prediction: Tensor, x: Tensor, mixing: Mixing) -> Tensor:
    """Compute the noise from a prediction at x, `b ...`."""
    match kind:
        case "velocity":
            return (mixing.alpha * prediction - mixing.d_alpha * x) / _determinant(mixing)
        case "clean":
            return (x - mixing.alpha * prediction) / mixing.sigma.clamp(min=SIGMA_FLOOR)
        case "noise":
            return prediction
        case "v":
            return (mixing.sigma * x + mixing.alpha * prediction) / _power(mixing)
        case _:
            assert_never(kind)


def to_velocity(kind: Prediction, prediction: Tensor, x: Tensor, mixing: Mixing) -> Tensor:
    """Compute the velocity dx/dt from a prediction at x, `b ...`."""
    if kind == "velocity":
        return prediction
    clean = to_clean(kind, prediction, x, mixing)
    noise = to_noise(kind, prediction, x, mixing)
    return mixing.d_alpha * clean + mixing.d_sigma * noise


def velocity_error_weight(kind: Prediction, mixing: Mixing, *, floor: float = 0.05) -> Tensor:
    """Compute by what factor a squared error of a prediction counts as one of the velocity.

    For `clean` on a linear schedule this is 1 / t^2. Divisors have a floor, 0.05 as in JiT (arXiv
    2511.13720), so that the ends do not drown the rest.

    Returns:
        Broadcasts against the samples, as the coefficients do.
    """
    match kind:
        case "velocity":
            return mixing.alpha**0
        case "clean":
            return (_determinant(mixing) / mixing.sigma.clamp(min=floor)) ** 2
        case "noise":
            return (_determinant(mixing) / mixing.alpha.clamp(min=floor)) ** 2
        case "v":
            return (_determinant(mixing) / _power(mixing)) ** 2
        case _:
            assert_never(kind)


def _power(mixing: Mixing) -> Tensor:
    """Of x where target and noise have variance 1; at least 1/2 where alpha + sigma >= 1."""
    return mixing.alpha.square() + mixing.sigma.square()


def _determinant(mixing: Mixing) -> Tensor:
    """Of the map from (clean, noise) to (x, velocity); positive where noise replaces target."""
    return mixing.alpha * mixing.d_sigma - mixing.sigma * mixing.d_alpha
