# mypy: disable-error-code="no-untyped-call,untyped-decorator"
"""The Triton implementations: their registration with torch, their autograd, their functions.

As everywhere here: functional ops with fakes for ``torch.compile`` and ``torch.export``, launchers
called directly in eager mode, and an ``autograd.Function`` outside the ops.
"""

from typing import Any

import torch
from torch import Tensor

from diptych_kernels.ops.flow_matching.launch import launch_interpolate, launch_loss, launch_scale
from diptych_kernels.registration import op_or_launcher, refuse_second_derivative


_LIBRARY = torch.library.Library("diptych_kernels", "FRAGMENT")
_LIBRARY.define("flow_interpolate(Tensor x, Tensor noise, Tensor t) -> Tensor")
_LIBRARY.define(
    "flow_matching_errors(Tensor prediction, Tensor x, Tensor noise, Tensor? mask, bool keep) "
    "-> (Tensor, Tensor, Tensor)"
)
_LIBRARY.define(
    "flow_matching_scale(Tensor a, Tensor factors, ScalarType? first, ScalarType? second) "
    "-> (Tensor, Tensor)"
)
for _key in ("CUDA", "CPU"):  # on a CPU the launchers work under TRITON_INTERPRET=1 alone
    _LIBRARY.impl("flow_interpolate", launch_interpolate, _key)
    _LIBRARY.impl("flow_matching_errors", launch_loss, _key)
    _LIBRARY.impl("flow_matching_scale", launch_scale, _key)


@torch.library.register_fake("diptych_kernels::flow_interpolate", lib=_LIBRARY)
def _interpolate_fake(x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    return x.new_empty(x.shape)


@torch.library.register_fake("diptych_kernels::flow_matching_errors", lib=_LIBRARY)
def _loss_fake(
    prediction: Tensor, x: Tensor, noise: Tensor, mask: Tensor | None, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    samples = prediction.new_empty(prediction.shape[0], dtype=torch.float32)
    errors = prediction.new_empty(prediction.shape if keep else [0])
    return samples, torch.empty_like(samples), errors


@torch.library.register_fake("diptych_kernels::flow_matching_scale", lib=_LIBRARY)
def _scale_fake(
    a: Tensor, factors: Tensor, first: torch.dtype | None, second: torch.dtype | None
) -> tuple[Tensor, Tensor]:
    one, other = (
        a.new_empty(0) if dtype is None else a.new_empty(a.shape, dtype=dtype)
        for dtype in (first, second)
    )
    return one, other


def _scaled(
    a: Tensor, factors: Tensor, first: torch.dtype | None, second: torch.dtype | None
) -> tuple[Tensor, Tensor]:
    run = op_or_launcher("flow_matching_scale", launch_scale)
    outputs: tuple[Tensor, Tensor] = run(a, factors, first, second)
    return outputs


class _FlowInterpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Keeps the times alone."""
        run = op_or_launcher("flow_interpolate", launch_interpolate)
        ctx.save_for_backward(t)
        ctx.dtypes = x.dtype, noise.dtype
        out: Tensor = run(x, noise, t)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """One launch for both gradients."""
        refuse_second_derivative("flow_interpolate")
        (t,) = ctx.saved_tensors
        wanted = [
            dtype if needed else None
            for dtype, needed in zip(ctx.dtypes, ctx.needs_input_grad[:2], strict=True)
        ]
        t = t.float()
        found = _scaled(grad, torch.stack([1 - t, t], 1), *wanted)
        x, noise = (
            a if dtype is not None else None for a, dtype in zip(found, wanted, strict=True)
        )
        return x, noise, None


class _FlowMatchingLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, prediction: Tensor, x: Tensor, noise: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Keeps the errors, which are the gradient up to a factor of the sample."""
        run = op_or_launcher("flow_matching_errors", launch_loss)
        keep = any(ctx.needs_input_grad)
        loss, count, errors = run(prediction, x, noise, mask, keep)
        ctx.save_for_backward(count, errors)
        ctx.dtypes = prediction.dtype, x.dtype, noise.dtype
        out: Tensor = loss
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """One launch; another one if x or the noise wants a gradient too."""
        refuse_second_derivative("flow_matching_loss")
        count, errors = ctx.saved_tensors
        of_prediction, of_x, of_noise = (
            dtype if needed else None
            for dtype, needed in zip(ctx.dtypes, ctx.needs_input_grad[:3], strict=True)
        )
        factor = 2 * grad.float() / count
        factors = torch.stack([factor, -factor], 1)
        prediction = x = noise = None
        if of_prediction is not None:
            prediction, _ = _scaled(errors, factors, of_prediction, None)
        if of_x is not None or of_noise is not None:
            x, noise = _scaled(errors, factors, of_x, of_noise)
        return (
            prediction,
            None if of_x is None else x,
            None if of_noise is None else noise,
            None,
        )


def flow_interpolate_triton(x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """As the reference, in one launch forward and one backward. Differentiable once."""
    out: Tensor = _FlowInterpolate.apply(x, noise, t)
    return out


def flow_matching_loss_triton(
    prediction: Tensor, x: Tensor, noise: Tensor, weight: Tensor | None, mask: Tensor | None
) -> Tensor:
    """As the reference; the forward's launch makes the gradient too. Differentiable once."""
    loss: Tensor = _FlowMatchingLoss.apply(prediction, x, noise, mask)
    return loss if weight is None else weight.float() * loss
