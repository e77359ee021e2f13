"""Every error a user can meet, in one place.

Each exception keeps its facts as attributes, so that tools can show them in their own way; its text always says
what was wrong, where, and what would work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from attrs import frozen


class DiptychError(Exception):
    """Base of every error that Diptych raises on purpose."""


class UnknownNameError(DiptychError):
    """A name that the registry does not hold."""

    def __init__(self, kind: str, name: str, known: Iterable[str], notes: Sequence[str] = ()) -> None:
        """Remember what was asked for, what is there, and which plugins failed to load (`notes`)."""
        self.kind, self.name, self.known, self.notes = kind, name, sorted(known), tuple(notes)
        lines = [f"unknown {kind} '{name}'{suggest(name, self.known)}"]
        lines.append(f"known {kind}s: {', '.join(self.known) or 'none'}")
        lines.extend(f"note: {note}" for note in self.notes)
        super().__init__("\n".join(lines))


class PluginError(DiptychError):
    """A plugin could not be loaded, or registered something impossible."""


class DuplicateNameError(PluginError):
    """Two plugins registered the same name of one kind."""

    def __init__(self, kind: str, name: str, first: str, second: str) -> None:
        """Name both distributions, so that the user knows which one to remove."""
        self.kind, self.name, self.first, self.second = kind, name, first, second
        super().__init__(
            f"{kind} '{name}' is registered twice: by {first} and by {second}; "
            "uninstall one of them, or ask its author for another name"
        )


@frozen
class Problem:
    """One thing wrong in a spec: where, what, and (sometimes) what would work.

    `code` is a stable word for tools: unknown-key, unknown-type, wrong-type, bad-value, missing, mismatch, reference.
    """

    path: str
    message: str
    code: str = "bad-value"

    def __str__(self) -> str:
        """Render as `path: message`."""
        return f"{self.path or '(top)'}: {self.message}"


class SpecError(DiptychError):
    """Everything that is wrong with a spec, all at once."""

    def __init__(self, problems: Sequence[Problem], source: str = "spec") -> None:
        """Keep the list; the text shows one problem a line."""
        self.problems, self.source = tuple(problems), source
        count = len(self.problems)
        head = f"{source}: {count} problem{'s' if count != 1 else ''}"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class UnregisteredPartError(DiptychError):
    """A part made in code has no registered name, and only registered names can be saved."""


class CheckpointError(DiptychError):
    """A folder or file that is not the checkpoint it should be."""


class DataError(DiptychError):
    """A sample, image or data source that cannot be used."""


class RequestError(DiptychError):
    """A task asked of a model that it cannot do, or asked with impossible values."""


class OutputError(DiptychError):
    """A place that cannot be written to."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, or nothing."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""
