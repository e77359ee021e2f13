"""`plain-transformer`: a small causal transformer of our own, in plain torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting


if TYPE_CHECKING:
    from diptych.backbones.plain_module import PlainTransformer


def _divides(spec: PlainTransformerSpec, _: object, heads: int) -> None:
    if spec is not None and spec.width % (2 * heads):
        raise ValueError(f"{heads} heads do not divide width {spec.width} into even parts; try {_fitting(spec.width)}")


def _fitting(width: int) -> str:
    return ", ".join(str(n) for n in range(1, 33) if width % (2 * n) == 0) or "an even width"


@frozen
class PlainTransformerSpec(PartSpec):
    """A small pre-norm causal transformer in plain torch: RMSNorm, rotary positions, SwiGLU, tied output."""

    kind: ClassVar[str] = "backbone"
    width: int = setting("hidden size", default=64, check=validators.ge(2))
    layers: int = setting("number of layers", default=2, check=validators.ge(1))
    heads: int = setting("attention heads", default=4, check=[validators.ge(1), _divides])
    mlp_ratio: float = setting("inner width of the MLP over the width", default=8 / 3, check=validators.gt(0))
    max_length: int = setting("most positions", default=4096, check=validators.ge(1))
    vocabulary: int | None = inferred("number of ids")

    def ports(self) -> Ports:
        """Take ids or embeddings, give final states."""
        return Ports(
            inputs={"ids": Port("vocabulary"), "embeds": Port("b s width", "token embeddings")},
            outputs={"states": Port("b s width", "final-normed states")},
        )

    def build(self) -> PlainTransformer:
        """Make the model with fresh weights."""
        from diptych.backbones.plain_module import PlainTransformer

        assert self.vocabulary is not None
        return PlainTransformer(self.vocabulary, self.width, self.layers, self.heads, int(self.width * self.mlp_ratio))
