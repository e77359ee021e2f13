"""What a training says while it runs: a line a while in `log.jsonl`, and a progress bar for people."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class TrainingLog:
    """Averages losses between lines and shows the latest."""

    def __init__(self, path: Path, every: int = 20, *, quiet: bool = False) -> None:
        """Append to a JSON-lines file, one line every `every` steps."""
        self._path, self._every, self._quiet = path, every, quiet
        self._sums: dict[str, float] = defaultdict(float)
        self._counts: dict[str, int] = defaultdict(int)
        self._bar: Progress | None = None

    @contextmanager
    def stage(self, name: str, done: int, steps: int) -> Iterator[None]:
        """Show a bar for one stage; plain lines where there is no terminal."""
        console = Console(stderr=True)
        if self._quiet or not console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[losses]}"), console=console) as bar:
            self._bar, self._task = bar, bar.add_task(name, total=steps, completed=done, losses="")
            yield
        self._bar = None

    def step(self, stage: str, step: int, steps: int, losses: dict[str, float], **more: Any) -> None:
        """Note the losses of a step (counted from 1)."""
        for name, value in losses.items():
            self._sums[name] += value
            self._counts[name] += 1
        if self._bar is not None:
            shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
            self._bar.update(self._task, completed=step, losses=shown)
        if step % self._every == 0 or step == steps:
            means = {name: self._sums[name] / self._counts[name] for name in self._sums}
            self._sums.clear()
            self._counts.clear()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"stage": stage, "step": step, **more, "losses": means}) + "\n")
            if self._bar is None and not self._quiet and (step % (self._every * 10) == 0 or step == steps):
                shown = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
                print(f"{stage} {step}/{steps}  {shown}", file=sys.stderr, flush=True)
