"""A decoder that draws by denoising: a flow-matching head whose condition are features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from diptych.errors import RequestError
from diptych.seeds import generators as of_seeds
from diptych_heads.heads.flow_matching import FlowMatchingHead, Guidance, Sampler, Timesteps
from diptych_heads.mixing import NoiseSchedule
from diptych_heads.predictions import Prediction


_NULLS = {
    "black-picture": "the features of a black picture",
    "painted-space": "the features that are painted for a space",
}


class DiffusionDecoder(nn.Module):
    """Denoises latents (or pixels) under features, then decodes them.

    Latent diffusion (arXiv 2112.10752) conditioned on image features, as in unCLIP's decoder (arXiv
    2204.06125) and Emu2's (arXiv 2312.13286). The autoencoder is never trained here.
    """

    null: Tensor
    null_known: Tensor

    def __init__(
        self,
        network: nn.Module,
        autoencoder: nn.Module | None,
        *,
        noise_schedule: NoiseSchedule,
        timesteps: Timesteps,
        prediction: Prediction,
        drop_source: float,
        null_shape: tuple[int, int] | None,
        null_of: str = "black-picture",
        latent_shape: tuple[int, int, int],
        sampler: Sampler,
        guidance: Guidance | None,
    ) -> None:
        """Put the pieces together.

        Args:
            network: the denoiser.
            autoencoder: pixels <-> latents; None to denoise pixels.
            noise_schedule: how picture and noise are mixed.
            timesteps: how training draws t.
            prediction: what the network predicts.
            drop_source: share of training pictures whose features become the null ones.
            null_shape: tokens and channels of the null features; None where they are zeros.
            null_of: what they are features of, in the words of the spec.
            latent_shape: channels, height and width of what is denoised.
            sampler: of pictures.
            guidance: of pictures.
        """
        super().__init__()
        self.network: Any = network
        self.autoencoder: Any = autoencoder
        if autoencoder is not None:
            autoencoder.requires_grad_(False)
        if null_shape is not None:
            self.register_buffer("null", torch.zeros(null_shape))
            self.register_buffer("null_known", torch.zeros((), dtype=torch.bool))
        self.own_null, self.null_of = null_shape is not None, null_of
        self.latent_shape = latent_shape
        self.sampler, self.guidance = sampler, guidance
        self.pieces = {
            "noise_schedule": noise_schedule,
            "timesteps": timesteps,
            "prediction": prediction,
            "loss_on": "prediction",
            "drop_condition": drop_source,
            "target_shape": latent_shape,
        }

    def fixed_parameters(self) -> Iterator[nn.Parameter]:
        """Return what no stage trains: the autoencoder."""
        return iter(()) if self.autoencoder is None else self.autoencoder.parameters()

    @property
    def lacks_null(self) -> bool:
        """Whether it has null features of its own, which nobody has shown it yet."""
        return self.own_null and not self.null_known.is_meta and not bool(self.null_known)

    @torch.no_grad()
    def fit_null(self, features: Tensor) -> None:
        """Take features `n c`, of a black picture or a painted space, as what guidance calls null.

        A decoder whose null is zeros has nothing to learn from them.

        Raises:
            ValueError: if they are of another shape.
        """
        if not self.own_null:
            return
        if features.shape != self.null.shape:
            raise ValueError(
                f"null features {list(features.shape)} where {list(self.null.shape)} are needed"
            )
        self.null.copy_(features)
        self.null_known.fill_(True)

    def forward(self, features: Tensor, generators: Sequence[Generator] | None = None) -> Tensor:
        """Draw features `b n c` as pixels `b 3 H W` in [-1, 1].

        Args:
            features: what is drawn, row-major.
            generators: one a picture; without them every picture starts from the noise of seed 0.

        Raises:
            RequestError: if it has null features of its own, and they are not known yet.
        """
        own = of_seeds([0] * len(features)) if generators is None else generators
        latents = self._head().sample(features, None, own, self.sampler, self.guidance)
        if self.autoencoder is not None:
            return self.autoencoder.decode(latents.to(features.dtype)).clamp(-1, 1)
        return _to_image(latents, self.latent_shape).to(features.dtype).clamp(-1, 1)

    def loss(self, features: Tensor, pixels: Tensor, generator: Generator) -> Tensor:
        """Compute the network's mean squared error at one random time a picture.

        Args:
            features: `b n c`.
            pixels: what they are features of, `b 3 H W` in [-1, 1].
            generator: gives times, noise and which sources are dropped, in this order.

        Returns:
            `b`.
        """
        with torch.no_grad():
            target = pixels.flatten(2).transpose(1, 2)
            if self.autoencoder is not None:
                target = self.autoencoder.encode(pixels)
        return self._head().loss(target, features, None, generator)

    def _head(self) -> FlowMatchingHead:
        """Join the pieces; a head holds nothing of its own, so each call makes one."""
        if self.lacks_null:
            wanted = _NULLS.get(self.null_of, self.null_of)
            raise RequestError(
                f"this decoder does not know {wanted} yet, which guidance and training need: a "
                "stage with the loss `reconstruct` takes them, or call `fit_null(features [n c])`"
            )
        network = _WithNull(self.network, self.null) if self.own_null else self.network
        pieces: Any = self.pieces
        return FlowMatchingHead(network, **pieces)


class _WithNull(nn.Module):
    """A network that reads null features wherever a head gives it zeros, which stand for null."""

    def __init__(self, network: nn.Module, null: Tensor) -> None:
        """Take the network and the null features `n c`."""
        super().__init__()
        self.network: Any = network
        self.null = null

    def prepare(self, condition: Tensor, mask: Tensor | None) -> Any:
        """Prepare features `b n c`, null ones in the place of rows of zeros."""
        empty = (condition == 0).all(dim=2, keepdim=True).all(dim=1, keepdim=True)
        return self.network.prepare(torch.where(empty, self.null.to(condition), condition), mask)

    def forward(self, x: Tensor, t: Tensor, context: Any) -> Tensor:
        """Predict, as the network does."""
        return self.network(x, t, context)


def _to_image(tokens: Tensor, shape: tuple[int, int, int]) -> Tensor:
    return tokens.transpose(1, 2).reshape(len(tokens), *shape)
