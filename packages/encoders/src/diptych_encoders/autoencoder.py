"""What the specs of autoencoders have in common. No torch."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.checks import complain, whole


if TYPE_CHECKING:
    from diptych_encoders.modules.autoencoder import TokenAutoencoder


@frozen
class Autoencoder(PartSpec):
    """Image size, latent channels and their units, and the loss that trains it."""

    kind: ClassVar[str] = "autoencoder"

    image_size: int = setting("side of the square image, in pixels", check=whole())
    channels: int = setting("latent channels", check=whole())
    scaling_factor: float = setting(
        "latents are (raw - shift_factor) x scaling_factor", default=1.0, check=validators.gt(0)
    )
    shift_factor: float = setting("taken off raw latents before scaling", default=0.0)
    reconstruction: Literal["l1", "mse"] = setting(
        "distance between pixels and their reconstruction",
        default="l1",
        check=validators.in_(("l1", "mse")),
    )
    weights: str | None = setting("folder, hub id, or hub id/subfolder of initial weights", default=None)

    @property
    @abstractmethod
    def reduction(self) -> int:
        """Pixels along the side of one latent."""

    @property
    def grid(self) -> int:
        """Latents along a side."""
        return self.image_size // self.reduction

    def size_problems(self) -> list[str]:
        """Say what keeps image size and reduction from fitting."""
        if self.image_size % self.reduction == 0:
            return []
        near = max(round(self.image_size / self.reduction), 1) * self.reduction
        return [f"image_size {self.image_size} is not a multiple of {self.reduction}, the reduction; {near} is"]

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other.

        Raises:
            ValueError: naming everything that does not fit, and the nearest value that would.
        """
        complain(self.size_problems())

    def ports(self) -> Ports:
        """Say what flows in and out."""
        return Ports(
            inputs={"image": Port("b 3 image_size image_size", "pixels in [-1, 1]")},
            outputs={"latents": Port("b (grid grid) channels", "row-major grid, scaled")},
        )

    def preprocess(self) -> Preprocess:
        """Shorter side to size, centre crop, pixels to [-1, 1]."""
        return Preprocess(self.image_size, self.image_size, "shorter-side", "lanczos")

    def load_weights(self, module: TokenAutoencoder) -> None:
        """Put the weights named by `weights` into a module that this spec built.

        Raises:
            CheckpointError: if there are none there, or they are of a model with other sizes; the module is left as
                it was.
        """
        from diptych_encoders.modules.autoencoder import load_autoencoder

        load_autoencoder(str(self.weights), module)
