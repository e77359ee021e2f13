"""What goes in and out of a network: the sizes that every network is built for."""

from __future__ import annotations

from attrs import frozen

from diptych.errors import Problem, SpecError
from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec
from diptych_heads.sizes import known


PORTS = Ports(
    inputs={
        "sample": Port("b (height width) channels", "the noisy target"),
        "condition": Port("b q condition_width", "what the target is made from"),
    }
)


@frozen
class Frame:
    """A target of `channels height width`, cut into square patches, and a condition.

    Attributes:
        channels, height, width: of the target.
        condition_width: of the condition `b q condition_width`.
        patch_size: side of a patch; divides height and width.
    """

    channels: int
    height: int
    width: int
    condition_width: int
    patch_size: int = 1

    @classmethod
    def of(cls, spec: PartSpec) -> Frame:
        """Read the sizes of a network's spec that is about to be built.

        Raises:
            SpecError: if a size is unknown, or patches do not fit.
        """
        frame = cls(
            channels=known(spec, "channels"),
            height=known(spec, "height"),
            width=known(spec, "width"),
            condition_width=known(spec, "condition_width"),
            patch_size=getattr(spec, "patch_size", 1),
        )
        patch = frame.patch_size
        for size in (frame.height, frame.width):
            if size % patch:
                message = f"{size} cannot be cut into patches of {patch}; choose a divisor"
                raise SpecError([Problem("patch_size", message, "mismatch")], type(spec).__name__)
        return frame

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.height // self.patch_size, self.width // self.patch_size

    @property
    def patch_channels(self) -> int:
        """Numbers in a patch."""
        return self.channels * self.patch_size**2
