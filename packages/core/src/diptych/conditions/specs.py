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


_CONNECTOR = "brings them to another width; guidance and dropping take place behind it"


@frozen
class StatesOf(PartSpec):
    """The backbone's states of ids that an earlier step wrote, and of the word before them (BLIP3o-NEXT)."""

    kind: ClassVar[str] = "condition"
    step: str = setting("the earlier step: its head writes ids after the prompt")
    connector: Annotated[PartSpec, Slot("connector")] | None = setting(_CONNECTOR, default=None)
    length: int | None = inferred("number of ids")
    width: int | None = inferred("width of the backbone")
    queries: ClassVar[int] = 0

    @property
    def condition_width(self) -> int | None:
        """Width behind the connector."""
        return _width_behind(self.connector, self.width)

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
        inputs = {**_STATES, "made": Port("b length", "what the step writes")}
        read = Port("b tokens width", "states of what was written")
        if self.connector is None:
            return Ports(inputs, {"condition": read})
        condition = Port("b tokens condition_width", "these states behind the connector")
        inside = (("read", "connector.features"), ("condition", "connector.tokens"))
        return Ports(inputs, {"read": read, "condition": condition}, inside)

    def build(self) -> nn.Module:
        """Make the reader; it has no weights but its connector's."""
        from diptych.conditions.modules import StatesOfModule

        return StatesOfModule(self.step, None if self.connector is None else self.connector.build())


@frozen
class ReferenceFeatures(PartSpec):
    """What a vision part makes of the pictures that a request starts from, for editing (BLIP3o-NEXT-edit).

    Requests without pictures have no token of it, and those with several have the tokens of all.
    """

    kind: ClassVar[str] = "condition"
    part: str = setting("an encoder or autoencoder, by its name under `vision`")
    connector: Annotated[PartSpec, Slot("connector")] | None = setting(_CONNECTOR, default=None)
    tokens: int | None = inferred("number of features of one picture")
    width: int | None = inferred("width of the features")
    queries: ClassVar[int] = 0

    @property
    def condition_width(self) -> int | None:
        """Width behind the connector."""
        return _width_behind(self.connector, self.width)

    @property
    def references(self) -> tuple[str, ...]:
        """Vision parts that encode what a request starts from."""
        return (self.part,)

    def sources(self) -> Mapping[str, str]:
        """Take what the part gives."""
        return {"features": f"vision.{self.part}"}

    def ports(self) -> Ports:
        """Read the features of each picture; how many pictures there are differs from request to request."""
        inputs = {"features": Port("b tokens width", "what the part makes of a picture")}
        if self.connector is None:
            return Ports(inputs, {"condition": Port("b s width", "features of all pictures")})
        outputs = {
            "read": Port("b kept condition_width", "features of a picture behind the connector"),
            "condition": Port("b s condition_width", "those of all pictures"),
        }
        return Ports(inputs, outputs, (("features", "connector.features"), ("read", "connector.tokens")))

    def build(self) -> nn.Module:
        """Make the reader; it has no weights but its connector's."""
        from diptych.conditions.modules import ReferenceFeaturesModule

        assert self.condition_width
        connector = None if self.connector is None else self.connector.build()
        return ReferenceFeaturesModule(self.part, self.condition_width, connector)


def _width_behind(connector: PartSpec | None, width: int | None) -> int | None:
    return width if connector is None else getattr(connector, "out_width", None)


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
    def references(self) -> tuple[str, ...]:
        """Vision parts that encode what a request starts from, for any of them."""
        return tuple(name for each in self.of for name in getattr(each, "references", ()))

    @property
    def condition_width(self) -> int | None:
        """Width of all of them; None where no one knows its own."""
        return next((width for each in self.of if (width := _axis(each, 2)) is not None), None)

    @property
    def total(self) -> int | None:
        """Tokens of all conditions together; None where it depends on the prompt."""
        counts = [_axis(each, 1) for each in self.of]
        return None if None in counts else sum(count for count in counts if count is not None)

    def ports(self) -> Ports:
        """Hand the states to each, and take their conditions, which must be of one width."""
        number, length = range(len(self.of)), "s" if self.total is None else "total"
        parts = {f"part{i}": Port(f"b length{i} condition_width", "one of the conditions") for i in number}
        return Ports(
            inputs=_STATES,
            outputs={**parts, "condition": Port(f"b {length} condition_width", "all conditions together")},
            inside=tuple(
                pair for i in number for pair in (("states", f"of.{i}.states"), (f"part{i}", f"of.{i}.condition"))
            ),
        )

    def build(self) -> nn.Module:
        """Make the parts and join them."""
        from diptych.conditions.modules import ConcatModule

        return ConcatModule([each.build() for each in self.of])


def _axis(condition: PartSpec, index: int) -> int | None:
    """Return the size of an axis of what a condition gives, or None where it is not known or not always the same."""
    port = condition.ports().outputs.get("condition")
    axis = port.terms()[index] if port else None
    size = getattr(condition, axis, None) if isinstance(axis, str) else None
    return size if isinstance(size, int) else None
