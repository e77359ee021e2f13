"""What the specs of CLIP-like encoders have in common. No torch.

A plain vision transformer over square patches: its sizes, which of its states are the features, and what is done to
the grid of features afterwards.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting
from diptych_encoders.checks import complain, maybe, whole


if TYPE_CHECKING:
    from diptych_encoders.modules.features import VisionFeatures


def _position_init(instance: Any, attribute: Any, value: Any) -> None:
    if value == "sin-cos" or (isinstance(value, int | float) and value > 0):
        return
    raise ValueError(f"'position_init' is a std above 0 or 'sin-cos', not {value!r}")


@frozen
class VisionTransformer(PartSpec):
    """Sizes and choices that CLIP, SigLIP and their kin share."""

    kind: ClassVar[str] = "encoder"
    extra_tokens: ClassVar[int] = 0
    """Tokens that the transformer puts before the grid."""

    hidden_width: int = setting("width inside the transformer", check=whole())
    depth: int = setting("transformer layers of the model, used or not", check=whole())
    heads: int = setting("attention heads", check=whole())
    image_size: int = setting("side of the square image, in pixels", check=whole())
    patch_size: int = setting("side of a patch, in pixels", check=whole())
    mlp_width: int | None = setting(
        "width inside the MLP; 4 x hidden_width if left out", default=None, check=maybe(whole())
    )
    activation: Literal["quick-gelu", "gelu", "gelu-tanh"] = setting(
        "activation of the MLP",
        default="gelu-tanh",
        check=validators.in_(("quick-gelu", "gelu", "gelu-tanh")),
    )
    norm_eps: float = setting("epsilon of the layer norms", default=1e-6, check=validators.gt(0))
    layer: int = setting(
        "which layer's output is the feature: 1..depth, or -1 for the last, -2 for the one before",
        default=-1,
        check=validators.instance_of(int),
    )
    final_norm: bool | None = setting(
        "put the features through the model's last layer norm; left out, as the official model does",
        default=None,
    )
    pool: int = setting("average the grid over pool x pool squares", default=1, check=whole())
    pool_to: int | None = setting(
        "average the grid to pool_to x pool_to, any size (adaptive pooling), instead of `pool`",
        default=None,
        check=maybe(whole()),
    )
    project: int | None = setting(
        "project every token to this width, without bias, after pooling",
        default=None,
        check=maybe(whole()),
    )
    unit_features: bool = setting(
        "give every feature mean 0 and variance 1 over its channels, as the very last step",
        default=False,
    )
    attention: Literal["sdpa", "eager"] = setting(
        "how attention is computed; eager is quicker for bfloat16 on a CPU",
        default="sdpa",
        check=validators.in_(("sdpa", "eager")),
    )
    position_init: float | Literal["sin-cos"] = setting(
        "position table before training: a 2-D sin-cos table, or the std of a normal draw",
        default="sin-cos",
        check=_position_init,
    )
    weights: str | None = setting("folder or hub id of initial weights", default=None)

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other.

        Raises:
            ValueError: naming every pair that does not fit, and the nearest values that would.
        """
        problems = []
        if self.hidden_width % self.heads:
            fits = [n for n in range(1, self.hidden_width + 1) if self.hidden_width % n == 0]
            near = min(fits, key=lambda n: abs(n - self.heads))
            problems.append(
                f"hidden_width {self.hidden_width} is not a multiple of heads {self.heads}; {near} heads would do"
            )
        if self.patch_size > self.image_size:
            problems.append(f"patch_size {self.patch_size} is larger than image_size {self.image_size}")
        elif self.patch_grid % self.pool:
            fits = [n for n in range(1, self.patch_grid + 1) if self.patch_grid % n == 0]
            problems.append(
                f"pool {self.pool} does not divide the grid of {self.patch_grid} x "
                f"{self.patch_grid} patches; {', '.join(map(str, fits))} do"
            )
        if self.pool_to is not None and self.pool > 1:
            problems.append(f"pool {self.pool} and pool_to {self.pool_to} are two ways to pool; give one of them")
        if not 1 <= self.layers_used <= self.depth:
            problems.append(
                f"layer {self.layer} is not there; {self.depth} layers are 1..{self.depth} or -1..-{self.depth}"
            )
        if self.position_init == "sin-cos" and self.hidden_width % 4:
            problems.append(
                "position_init 'sin-cos' needs a hidden_width that is a multiple of 4, "
                f"not {self.hidden_width}; 0.5 (a normal draw) takes any"
            )
        complain(problems)

    @property
    def patch_grid(self) -> int:
        """Patches along a side; pixels left over at the right and bottom are not seen."""
        return self.image_size // self.patch_size

    @property
    def grid(self) -> int:
        """Features along a side."""
        return self.pool_to or self.patch_grid // self.pool

    @property
    def width(self) -> int:
        """Width of a feature."""
        return self.project or self.hidden_width

    @property
    def inner_width(self) -> int:
        """Width inside the MLP."""
        return self.mlp_width or 4 * self.hidden_width

    @property
    def layers_used(self) -> int:
        """How many layers are computed; later ones are not even built."""
        return self.layer if self.layer > 0 else self.depth + 1 + self.layer

    @property
    def uses_final_norm(self) -> bool:
        """Whether the features go through the last layer norm, with the default resolved."""
        return bool(self.final_norm)

    def ports(self) -> Ports:
        """Say what flows in and out."""
        return Ports(
            inputs={"image": Port("b 3 image_size image_size", "pixels after `preprocess`")},
            outputs={"features": Port("b (grid grid) width", "row-major grid")},
        )

    @abstractmethod
    def load_weights(self, module: VisionFeatures) -> None:
        """Put the weights named by `weights` into a module that this spec built.

        Raises:
            CheckpointError: if there are none there, or they are of a model with other sizes; the module is
                left as it was.
        """
