"""The public function ``merge_features`` and its implementations in order of preference."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from diptych_kernels.choice import requested
from diptych_kernels.dispatch import Operation, register
from diptych_kernels.implementations import usual
from diptych_kernels.ops.merge_features.arguments import MOST_SPANS, NAME, check, check_values
from diptych_kernels.ops.merge_features.reference import merge_features_reference
from diptych_kernels.situation import Situation


def merge_features(
    embeds: Tensor,
    features: Tensor,
    spans: Tensor | Sequence[tuple[int, int, int]],
    *,
    implementation: str | None = None,
) -> Tensor:
    """Puts the features of pictures in the place of their placeholders, without a host sync.

    The exact definition is the docstring of
    :func:`diptych_kernels.ops.merge_features.reference.merge_features_reference`.

    Args:
        embeds: Token embeddings, ``b s d``.
        features: Of all pictures one after the other, ``t d`` or ``j n d``.
        spans: Row, start and length for each picture, ``j 3``: a list, or a tensor of int64 or
            int32. On the CPU (and not under ``torch.compile``) they are checked: within the
            sequence, apart from each other, one place for each token. On the device that would
            be the very wait that this avoids: there, the later of two spans counts, and what lies
            outside is left out.
        implementation: ``reference``, ``compile`` or ``triton``; None leaves it to
            :func:`diptych_kernels.use`, the environment, and then what fits.

    Returns:
        ``b s d``, in the dtype of embeds; differentiable in embeds and features.

    Raises:
        TypeError: If an argument is no tensor or of a dtype that is not supported.
        ValueError: If a shape, a device or a span does not fit.
        ImplementationUnavailableError: If the implementation asked for cannot run here.
    """
    if not isinstance(spans, Tensor):
        spans = _as_tensor(spans)
    check(embeds, features, spans)
    features = features.reshape(features.shape[:-1].numel(), features.shape[-1])
    if not torch.compiler.is_compiling() and spans.device.type == "cpu":
        check_values(spans, embeds.shape[0], embeds.shape[1], features.shape[0])
    situation = Situation.of(embeds, features, width=spans.shape[0])
    run = OPERATION.resolve(requested(implementation), situation)
    return run(embeds, features, spans.to(embeds.device, non_blocking=True))  # type: ignore[no-any-return]


def _as_tensor(spans: Sequence[tuple[int, int, int]]) -> Tensor:
    try:
        found = torch.tensor([[int(number) for number in span] for span in spans])
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{NAME}: spans must be a tensor or a list of (row, start, length), got {spans!r}"
        ) from error
    return found.long() if len(found) else torch.empty((0, 3), dtype=torch.int64)


def _load_triton() -> Callable[..., Any]:
    from diptych_kernels.ops.merge_features.triton import merge_features_triton

    return merge_features_triton


def _too_many_spans(situation: Situation) -> str | None:
    if situation.width is not None and situation.width > MOST_SPANS:
        return f"{situation.width} spans are more than the kernels' {MOST_SPANS}"
    return None


# Inductor would build the map of places in several passes.
OPERATION = register(
    Operation(
        NAME, usual(merge_features_reference, _load_triton, limit=_too_many_spans, fuses=False)
    )
)
