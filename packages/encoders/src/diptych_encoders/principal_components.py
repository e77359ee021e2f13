"""The spec of a normaliser of targets that keeps the largest principal components. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, inferred, setting
from diptych_encoders.checks import complain, known, whole


if TYPE_CHECKING:
    from diptych_encoders.modules.principal_components import PrincipalComponentNormaliser


@frozen
class PrincipalComponents(PartSpec):
    """Targets in their principal axes, the smallest dropped, the rest whitened; fitted on data and saved."""

    kind: ClassVar[str] = "normaliser"

    kept: int = setting("principal components that are kept", check=whole())
    channels: int | None = inferred("channels of the target")
    whiten: float = setting(
        "1: every component gets std 1; 0: all are scaled alike; between: variances to the power 1 - whiten",
        default=1.0,
        check=[validators.ge(0), validators.le(1)],
    )
    floor: float = setting(
        "smallest variance that a component is whitened by, as a fraction of the largest",
        default=1e-6,
        check=[validators.gt(0), validators.lt(1)],
    )

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other.

        Raises:
            ValueError: if more components are kept than the target has channels.
        """
        if self.channels is not None and self.kept > self.channels:
            complain([f"kept {self.kept} is more than the {self.channels} channels of the target"])

    def ports(self) -> Ports:
        """Say what flows in and out; the head works on fewer channels than the target has."""
        return Ports(
            inputs={"target": Port("b (height width) channels", "as the encoder gives it")},
            outputs={"normalised": Port("b (height width) kept", "mean 0, uncorrelated, mean variance 1")},
        )

    def build(self) -> PrincipalComponentNormaliser:
        """Make the module, not fitted yet."""
        from diptych_encoders.modules.principal_components import PrincipalComponentNormaliser

        return PrincipalComponentNormaliser(
            known(self.channels, "channels"), kept=self.kept, whiten=self.whiten, floor=self.floor
        )
