"""`patch-merger`: squares of neighbouring features become one token each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen, validators

from diptych.errors import Problem, SpecError
from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting


if TYPE_CHECKING:
    from diptych.connectors.patch_merger_module import PatchMergerModule


@frozen
class PatchMerger(PartSpec):
    """The features of side x side neighbours joined, then Linear, GELU, Linear (Qwen2-VL, arXiv 2409.12191, 2.1).

    The backbone reads side² times fewer tokens, and each holds all of its square: what several patches show together
    need not be gathered by attention first.
    """

    kind: ClassVar[str] = "connector"
    side: int = setting("side of a square, in features", default=2, check=validators.ge(1))
    hidden: int | None = setting("inner width; that of the joined features unless given", default=None)
    positions: bool = setting("add a learned position to every token", default=False)
    height: int | None = inferred("rows of the features' grid")
    width: int | None = inferred("columns of the features' grid")
    in_width: int | None = inferred("width of the features")
    out_width: int | None = inferred("width of the backbone")

    def __attrs_post_init__(self) -> None:
        """Check that squares fill the grid.

        Raises:
            ValueError: naming the sides that would.
        """
        for name, size in (("height", self.height), ("width", self.width)):
            if size and size % self.side:
                fits = ", ".join(str(side) for side in range(1, size + 1) if size % side == 0)
                raise ValueError(f"side {self.side} does not divide the grid's {name} {size}; {fits} do")

    @property
    def tokens(self) -> int | None:
        """Count the tokens that come out."""
        return self.height * self.width // self.side**2 if self.height and self.width else None

    def ports(self) -> Ports:
        """Take a grid of features, give fewer tokens."""
        return Ports(
            inputs={"features": Port("b (height width) in_width", "features of an encoder, row-major")},
            outputs={"tokens": Port("b tokens out_width", "one token a square, row-major")},
        )

    def build(self) -> PatchMergerModule:
        """Make the connector."""
        from diptych.connectors.patch_merger_module import PatchMergerModule

        sizes: dict[str, Any] = {name: getattr(self, name) for name in ("height", "width", "in_width", "out_width")}
        unknown = [Problem(name, "it is not known yet; give it", "missing") for name in sizes if sizes[name] is None]
        if unknown:
            raise SpecError(unknown, type(self).__name__)
        return PatchMergerModule(side=self.side, hidden=self.hidden, positions=self.positions, **sizes)
