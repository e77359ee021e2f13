"""The spec of `diffusion`: pixels by denoising, conditioned on features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, Slot, inferred, setting
from diptych.spec.structure import structure
from diptych_heads.guidance.specs import ClassifierFree
from diptych_heads.noise_schedules.specs import Linear, check_prediction
from diptych_heads.samplers.specs import Euler
from diptych_heads.sizes import known
from diptych_heads.timesteps.specs import Uniform


if TYPE_CHECKING:
    from torch import nn


@frozen
class Diffusion(PartSpec):
    """Draws by denoising an autoencoder's latents, or pixels, under features.

    With the network `sdxl-unet` and SDXL's autoencoder it is the decoder of Emu2 and BLIP3-o; with
    `sana` and `dc-ae` the one that draws SigLIP2 features. Sampler and guidance are its own, apart
    from those of the step that made the features.
    """

    kind: ClassVar[str] = "decoder"
    network: Annotated[PartSpec, Slot("network")] = setting("the denoiser, which reads features")
    autoencoder: Annotated[PartSpec, Slot("autoencoder")] | None = setting(
        "pixels <-> what is denoised; never trained here; without one, pixels are denoised",
        default=None,
    )
    noise_schedule: Annotated[PartSpec, Slot("noise_schedule")] = setting(
        "how picture and noise are mixed at time t", default=Linear()
    )
    timesteps: Annotated[PartSpec, Slot("timesteps")] = setting(
        "how training draws t", default=Uniform()
    )
    prediction: Literal["velocity", "clean", "noise", "v"] = setting(
        "what the network predicts", default="velocity"
    )
    drop_source: float = setting(
        "share of training pictures whose features are replaced by the null ones",
        default=0.1,
        check=[validators.ge(0), validators.le(1)],
    )
    null: Literal["zeros", "black-picture", "painted-space"] = setting(
        "what the network reads in place of features for guidance: features of a black picture, or "
        "those that the model itself paints for a bare space with seed 0, as BLIP3-o does; either "
        "are taken once, when first needed, and saved with the weights",
        default="zeros",
    )
    sampler: Annotated[PartSpec, Slot("sampler")] = setting(
        "how pictures are sampled", default=Euler(steps=50)
    )
    guidance: Annotated[PartSpec, Slot("guidance")] | None = setting(
        "how the null prediction is used", default=ClassifierFree(scale=3.0)
    )
    image_size: int | None = inferred("side of the picture, in pixels: the autoencoder's")
    channels: int | None = inferred("channels of the features")
    height: int | None = inferred("rows of the features' grid")
    width: int | None = inferred("columns of the features' grid")
    latent_channels: int | None = inferred("channels of what is denoised")
    latent_height: int | None = inferred("rows of what is denoised")
    latent_width: int | None = inferred("columns of what is denoised")

    def __attrs_post_init__(self) -> None:
        """Refuse noise that a schedule does not reveal, and a guidance that needs a text."""
        check_prediction(self.prediction, self.noise_schedule)
        if getattr(self.guidance, "tells_pictures", False):
            raise ValueError(
                "this guidance tells pictures from text, and a decoder draws features alone; take "
                "classifier-free or projected, or none"
            )

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return `blip3o` (SDXL's sizes, 1024 px) and `siglip2-sana` (512 px).

        Their autoencoders are of the package diptych-encoders.
        """
        return {
            "blip3o": {
                "network": {"type": "sdxl-unet", "preset": "sdxl"},
                "autoencoder": {"type": "autoencoder-kl", "preset": "sdxl"},
                "noise_schedule": {"type": "scaled-linear", "zero_terminal": False},
                "prediction": "noise",
                "null": "painted-space",
                "sampler": {"type": "euler-discrete", "steps": 50},
            },
            "siglip2-sana": {
                "network": {
                    "type": "sana",
                    "preset": "1.6b-512",
                    "connector": {"type": "mlp-norm", "preset": "sana"},
                },
                "autoencoder": {"type": "dc-ae", "preset": "sana-f32c32", "image_size": 512},
                "null": "black-picture",
                "sampler": {"type": "euler", "steps": 30},
            },
        }

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """Build a spec from one of the presets, with some fields changed."""
        known_presets = cls.presets()
        if name not in known_presets:
            return super().preset(name, **changes)
        return structure({**known_presets[name], **changes}, cls, f"preset {name}")

    def ports(self) -> Ports:
        """Take features, give pixels; latents flow between the parts inside."""
        outputs = {
            "image": Port("b 3 image_size image_size", "pixels in [-1, 1]"),
            "latents": Port("b (latent_height latent_width) latent_channels", "what is denoised"),
        }
        inside = [("features", "network.condition"), ("latents", "network.sample")]
        if self.autoencoder is not None:
            inside += [("latents", "autoencoder.latents"), ("image", "autoencoder.image")]
        else:
            canvas = Port("b latent_channels latent_height latent_width", "the picture is denoised")
            outputs["canvas"] = canvas
            inside.append(("canvas", "image"))
        return Ports(
            inputs={"features": Port("b (height width) channels", "what is drawn")},
            outputs=outputs,
            inside=tuple(inside),
        )

    def build(self) -> nn.Module:
        """Make the network and the autoencoder."""
        from diptych_heads.decoders.diffusion import DiffusionDecoder

        names = ("latent_channels", "latent_height", "latent_width")
        channels, rows, columns = (known(self, name) for name in names)
        tokens = known(self, "height") * known(self, "width")
        return DiffusionDecoder(
            self.network.build(),
            None if self.autoencoder is None else self.autoencoder.build(),
            noise_schedule=self.noise_schedule.build(),
            timesteps=self.timesteps.build(),
            prediction=self.prediction,
            drop_source=self.drop_source,
            null_shape=(tokens, known(self, "channels")) if self.null != "zeros" else None,
            null_of=self.null,
            latent_shape=(channels, rows, columns),
            sampler=self.sampler.build(),
            guidance=None if self.guidance is None else self.guidance.build(),
        )
