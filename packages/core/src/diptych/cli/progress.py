"""Progress bars for people: on a terminal, on stderr, and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show a spinner while something without a known length runs."""
    with Console(stderr=True).status(what):
        yield


@contextmanager
def counted(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for something that counts; yields the function to tell it (done, of how many)."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
