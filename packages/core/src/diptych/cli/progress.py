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
def counted(what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Show a bar for something with a known count; yields the function that moves it."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, _: bar.update(task, completed=done)
