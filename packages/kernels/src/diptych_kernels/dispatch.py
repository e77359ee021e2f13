"""Chooses the implementation of an operation for one call, and explains the choice."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from diptych_kernels.choice import Request
from diptych_kernels.errors import ImplementationUnavailableError
from diptych_kernels.situation import Situation


@dataclass(frozen=True)
class Implementation:
    """One way to compute an operation.

    Attributes:
        name: ``reference``, ``compile``, ``triton`` or ``chunked``.
        load: Imports and returns the function; called when first chosen.
        cannot_run: Why it cannot run in a situation, or None.
        not_by_itself: Why it is not chosen unless asked for, though it could run, or None.
    """

    name: str
    load: Callable[[], Callable[..., Any]]
    cannot_run: Callable[[Situation], str | None]
    not_by_itself: Callable[[Situation], str | None]


@dataclass(frozen=True)
class Rejection:
    """An implementation that was not chosen, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Explanation:
    """What would run and why; ``chosen`` is None if what was asked for cannot run."""

    operation: str
    situation: Situation
    chosen: str | None
    because: str
    rejected: tuple[Rejection, ...]

    def __str__(self) -> str:
        """A line for the choice and one for each rejection."""
        dtypes = ", ".join(sorted(str(d).removeprefix("torch.") for d in self.situation.dtypes))
        head = f"{self.operation} on {self.situation.device}, {dtypes}: "
        lines = [f"{head}{self.chosen or 'nothing can run'} ({self.because})"]
        lines += [f"  not {rejection.name}: {rejection.reason}" for rejection in self.rejected]
        return "\n".join(lines)


class Operation:
    """An operation and its implementations, in order of preference."""

    def __init__(self, name: str, implementations: tuple[Implementation, ...]) -> None:
        """Keeps the implementations; the last one must run anywhere."""
        self.name = name
        self.implementations = implementations
        self._by_name = {each.name: each for each in implementations}
        self._functions: dict[str, Callable[..., Any]] = {}
        self._resolved: dict[tuple[str | None, Situation], Callable[..., Any]] = {}

    def resolve(self, request: Request, situation: Situation) -> Callable[..., Any]:
        """Returns the function to call, from a cache after the first time.

        Raises:
            ImplementationUnavailableError: If the one asked for cannot run.
        """
        if situation.compiling:
            # One constant per trace: the caller's device and dtypes are guarded anyway.
            name = _name_while_tracing(
                self.name, request.name, request.by, situation.device.type, situation.dtypes
            )
            return self._functions[name]
        key = (request.name, situation)
        if (found := self._resolved.get(key)) is None:
            found = self._functions[self._load(self._choose(request, situation))]
            self._resolved[key] = found
        return found

    def explain(self, request: Request, situation: Situation) -> Explanation:
        """Says what would run in a situation and why everything else would not."""
        rejected = []
        chosen, because = None, f"asked for by {request.by}"
        for each in self.implementations:
            if (reason := each.cannot_run(situation)) is not None:
                rejected.append(Rejection(each.name, reason))
            elif request.name is not None:
                if each.name == request.name:
                    chosen = each.name
                else:
                    rejected.append(Rejection(each.name, f"{request.by} asks for {request.name}"))
            elif (reason := each.not_by_itself(situation)) is not None:
                rejected.append(Rejection(each.name, reason))
            elif chosen is not None:
                rejected.append(Rejection(each.name, f"{chosen} comes first"))
            else:
                chosen, because = each.name, "first in order that fits; nobody asked for another"
        return Explanation(self.name, situation, chosen, because, tuple(rejected))

    def _load(self, name: str) -> str:
        if name not in self._functions:
            self._functions[name] = self._by_name[name].load()
        return name

    def _choose(self, request: Request, situation: Situation) -> str:
        explanation = self.explain(request, situation)
        if explanation.chosen is not None:
            return explanation.chosen
        if request.name not in self._by_name:
            raise ImplementationUnavailableError(
                f"{self.name}: {request.by} asks for the implementation {request.name!r}, which "
                f"this operation does not have; it has {', '.join(self._by_name)}"
            )
        reason = next(r.reason for r in explanation.rejected if r.name == request.name)
        raise ImplementationUnavailableError(
            f"{self.name}: {request.by} asks for the implementation {request.name!r}, which "
            f"cannot run here: {reason}"
        )


OPERATIONS: dict[str, Operation] = {}


def register(operation: Operation) -> Operation:
    """Makes an operation known to :func:`explain` under its name."""
    OPERATIONS[operation.name] = operation
    return operation


def _name_while_tracing(
    operation: str, name: str | None, by: str, device_type: str, dtypes: frozenset[torch.dtype]
) -> str:
    situation = Situation(torch.device(device_type), dtypes, compiling=True)
    chosen = OPERATIONS[operation]
    return chosen._load(chosen._choose(Request(name, by), situation))


# What torch.compiler.assume_constant_result sets. Calling it would import torch._dynamo and
# triton, a second of start-up for everyone and too early for TRITON_INTERPRET.
_name_while_tracing._dynamo_marked_constant = True  # type: ignore[attr-defined]
