"""What normalisers share: statistics that are fitted once, saved with the model, and needed for use."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from diptych.errors import RequestError
from diptych_encoders.modules.moments import Moments


class FittedNormaliser(nn.Module):
    """Base of normalisers: holds the flag `fitted` and refuses to work before it is set."""

    fitted: Tensor
    cross = False

    def __init__(self, channels: int) -> None:
        """Start unfitted.

        Args:
            channels: c of the targets.
        """
        super().__init__()
        self.channels = channels
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self._ready = False  # the flag without a wait for the device, and without a break in a traced graph
        self.register_load_state_dict_post_hook(_note_loaded)

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> None:
        """Fit the statistics on a stream of targets; earlier ones are replaced.

        Args:
            batches: tensors `[b n c]` of any float type; sums are kept in float64. Nothing of them is held.

        Raises:
            DataError: if a batch has another width or holds non-finite numbers, or there are fewer than two
                vectors; the statistics are then left as they were.
        """
        moments = Moments(self.channels, cross=self.cross)
        for batch in batches:
            moments.add(batch)
        self.set_statistics(moments.mean, moments.variance())
        self.fitted.fill_(True)
        self._ready = True

    @abstractmethod
    def set_statistics(self, mean: Tensor, variance: Tensor) -> None:
        """Turn mean `[c]` and (co)variance `[c]` or `[c c]`, float64, into the buffers."""

    def check_fitted(self) -> None:
        """Make sure that there are statistics.

        Raises:
            RequestError: if there are none.
        """
        if self._ready or self.fitted.is_meta:
            return
        if not bool(self.fitted):
            raise RequestError(
                f"{type(self).__name__} has no statistics yet: call `fit(batches of targets [b n "
                f"{self.channels}])` first, or load a model that was saved with them"
            )
        self._ready = True


def _note_loaded(module: nn.Module, _: Any) -> None:
    if isinstance(module, FittedNormaliser):
        module._ready = not module.fitted.is_meta and bool(module.fitted)
