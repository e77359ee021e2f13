"""Judges ``guided_step`` against its reference in float64 on the rounded inputs."""

import torch
from torch import Tensor

from kernel_tests.guided_step_cases import StepCase
from kernel_tests.tolerance import assert_close


def well_posed(case: StepCase) -> bool:
    """Whether float32 can tell what the quotient of the deviations is: not if it cancels."""
    if case.null is None or case.rescale == 0 or case.x.numel() == 0:
        return True
    guided, terms = _guided(case)
    return bool((_std(guided) > 1e-3 * terms.square().mean(1).sqrt()).all())


def judge(case: StepCase, out: Tensor, velocity: Tensor) -> None:
    """Checks the velocity, and the state against that which the exact velocity leads to."""
    assert out.dtype == velocity.dtype == torch.float32
    exact_out, exact = case.map(Tensor.double).run("reference")
    size = case.x.shape[1]
    terms = case.conditional.double().abs()
    if case.null is not None and float(case.scale) != 1:
        guided, terms = _guided(case)
        if case.rescale > 0 and case.x.numel() > 0:
            terms = _rescaled(case, guided, terms)
    assert_close("velocity", velocity, exact, terms, size if case.rescale else 1)
    if case.before is not None:
        half = abs(float(case.ratio)) / 2
        terms = terms * (1 + half) + half * case.before.double().abs()
    terms = case.x.double().abs() + abs(float(case.dt)) * terms
    assert_close("out", out, exact_out, terms, size if case.rescale else 1)


def _guided(case: StepCase) -> tuple[Tensor, Tensor]:
    """The combination, and the sum of the absolute values of its terms."""
    assert case.null is not None
    conditional, null, scale = case.conditional.double(), case.null.double(), float(case.scale)
    guided = null + scale * (conditional - null)
    return guided, null.abs() + abs(scale) * (conditional.abs() + null.abs())


def _rescaled(case: StepCase, guided: Tensor, terms: Tensor) -> Tensor:
    """What errors of the deviations add: each is as exact as the mean that is taken off."""
    conditional = case.conditional.double()
    own, std = _std(conditional), _std(guided)

    def size(a: Tensor) -> Tensor:
        return a.square().mean(1, keepdim=True).sqrt()

    quotient = torch.where(std == 0, 1.0, own / std)
    error = (own + size(conditional)) / std + quotient * (std + size(terms)) / std
    factor = case.rescale * quotient + 1 - case.rescale
    return factor * terms + case.rescale * guided.abs() * error


def _std(a: Tensor) -> Tensor:
    return a.std(1, correction=0, keepdim=True)
