"""Names of tensors with holes: `model.layers.{layer}.{rest...}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from attrs import field, frozen


_HOLE = re.compile(r"\{(\w+)(\.\.\.)?\}")


@frozen(slots=False)
class Pattern:
    """A name with holes: `{layer}` stands for one segment between dots, `{rest...}` for one or more.

    Raises:
        ValueError: if a hole stands twice in it.
    """

    text: str = field()

    @text.validator
    def _each_hole_once(self, _: object, text: str) -> None:
        found = [name for name, _ in _HOLE.findall(text)]
        if len(found) != len(set(found)):
            raise ValueError(f"'{text}' has a hole twice")

    @property
    def holes(self) -> dict[str, bool]:
        """Return the holes by name, and whether each may hold dots."""
        return {name: bool(dots) for name, dots in _HOLE.findall(self.text)}

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        pieces, end = [], 0
        for hole in _HOLE.finditer(self.text):
            inside = r".+" if hole[2] else r"[^.]+"
            pieces += [re.escape(self.text[end : hole.start()]), f"(?P<{hole[1]}>{inside})"]
            end = hole.end()
        return re.compile("".join([*pieces, re.escape(self.text[end:])]), re.DOTALL)

    def match(self, name: str) -> dict[str, str] | None:
        """Return what stands in the holes, or None if the name is another."""
        found = self._regex.fullmatch(name)
        return found.groupdict() if found else None

    def fill(self, values: Mapping[str, str]) -> str:
        """Put values into the holes."""
        return _HOLE.sub(lambda hole: values[hole[1]], self.text)
