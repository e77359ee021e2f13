"""What ``fuse_`` did and did not do to a model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Replaced:
    """A module that now calls fused operations."""

    path: str
    kind: str
    operations: tuple[str, ...]


@dataclass(frozen=True)
class Kept:
    """A module of a known kind that stays as it is, and why."""

    path: str
    kind: str
    reason: str


@dataclass(frozen=True)
class FuseReport:
    """All modules of known kinds, by their path in the model. Prints well."""

    replaced: tuple[Replaced, ...]
    kept: tuple[Kept, ...]

    def __str__(self) -> str:
        """A line for each kind and what became of it, with the number of modules."""
        counts: dict[str, int] = {}
        for module in self.replaced:
            line = f"{module.kind}: {', '.join(module.operations)}"
            counts[line] = counts.get(line, 0) + 1
        for other in self.kept:
            line = f"{other.kind}: kept, {other.reason}"
            counts[line] = counts.get(line, 0) + 1
        if not counts:
            return "no module of a known kind"
        return "\n".join(f"{count} x {line}" for line, count in counts.items())
