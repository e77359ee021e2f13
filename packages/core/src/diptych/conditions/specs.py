"""The specs of core's conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, Slot, inferred, setting


if TYPE_CHECKING:
    from torch import nn

_STATES = {"states": Port("b s width", "the backbone's states over the prompt")}


@frozen
class LatentQueries(PartSpec):
    """Learned query tokens put after the prompt; their final states are the condition (BLIP3-o, MetaQuery)."""

    kind: ClassVar[str] = "condition"
    count: int = setting("number of queries", default=64, check=validators.ge(1))
    init_std: float = setting("standard deviation of fresh queries", default=1.0, check=validators.ge(0))
    width: int | None = inferred("width of the backbone")

    @property
    def queries(self) -> int:
        """Positions this condition adds to the prompt."""
        return self.count

    def ports(self) -> Ports:
        """Read as many states as there are queries."""
        return Ports(inputs=_STATES, outputs={"condition": Port("b count width", "states at the queries")})

    def build(self) -> nn.Module:
        """Make the queries."""
        from diptych.conditions.modules import LatentQueriesModule

        assert self.width
        return LatentQueriesModule(self.count, self.width, self.init_std)


@frozen
class PromptStates(PartSpec):
    """The final states of the prompt's own tokens."""

    kind: ClassVar[str] = "condition"
    width: int | None = inferred("width of the backbone")
    queries: ClassVar[int] = 0

    def ports(self) -> Ports:
        """Read one state a prompt token."""
        return Ports(inputs=_STATES, outputs={"condition": Port("b s width", "states of the prompt")})

    def build(self) -> nn.Module:
        """Make the reader; it has no weights."""
        from diptych.conditions.modules import PromptStatesModule

        return PromptStatesModule()


@frozen
class StatesOf(PartSpec):
    """The backbone's states of ids that an earlier step wrote, and of the word before them (BLIP3o-NEXT)."""

    kind: ClassVar[str] = "condition"
    step: str = setting("the earlier step: its head writes ids after the prompt")
    length: int | None = inferred("number of ids")
    width: int | None = inferred("width of the backbone")
    queries: ClassVar[int] = 0

    @property
    def steps(self) -> tuple[str, ...]:
        """Earlier steps that are read."""
        return (self.step,)

    @property
    def tokens(self) -> int | None:
        """Number of states; None where that of ids is not known."""
        return None if self.length is None else self.length + 1

    def sources(self) -> Mapping[str, str]:
        """Take the number of ids from the step's head."""
        return {"made": f"generate.{self.step}.head.target"}

    def ports(self) -> Ports:
        """Read one state an id, and one more."""
        return Ports(
            inputs={**_STATES, "made": Port("b length", "what the step writes")},
            outputs={"condition": Port("b tokens width", "states of what was written")},
        )

    def build(self) -> nn.Module:
        """Make the reader; it has no weights."""
        from diptych.conditions.modules import StatesOfModule

        return StatesOfModule(self.step)


@frozen
class Concat(PartSpec):
    """Several conditions, one after the other."""

    kind: ClassVar[str] = "condition"
    of: tuple[Annotated[PartSpec, Slot("condition")], ...] = setting(
        "the conditions, in order", check=validators.min_len(1)
    )
    width: int | None = inferred("width of the backbone")

    @property
    def queries(self) -> int:
        """Positions that all of them add to the prompt."""
        return sum(getattr(each, "queries", 0) for each in self.of)

    @property
    def steps(self) -> tuple[str, ...]:
        """Earlier steps that any of them reads."""
        return tuple(name for each in self.of for name in getattr(each, "steps", ()))

    @property
    def total(self) -> int | None:
        """Tokens of all conditions together; None where it depends on the prompt."""
        counts = [_tokens(each) for each in self.of]
        return None if None in counts else sum(count for count in counts if count is not None)

    def ports(self) -> Ports:
        """Hand the states to each, and take their conditions, which must be of one width."""
        inside = [("states", f"of.{i}.states") for i in range(len(self.of))]
        length = "s" if self.total is None else "total"
        return Ports(
            inputs=_STATES,
            outputs={"condition": Port(f"b {length} width", "all conditions together")},
            inside=tuple(inside),
        )

    def build(self) -> nn.Module:
        """Make the parts and join them."""
        from diptych.conditions.modules import ConcatModule

        return ConcatModule([each.build() for each in self.of])


def _tokens(condition: PartSpec) -> int | None:
    """Return how many tokens a condition always gives, or None."""
    port = condition.ports().outputs.get("condition")
    axis = port.terms()[1] if port else None
    count = getattr(condition, axis, None) if isinstance(axis, str) else None
    return count if isinstance(count, int) else None
