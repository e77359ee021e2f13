"""Writes the README's table of scores, between its two `scores` marks, from what `diptych eval --json` printed.

diptych eval pocket emoji-suite --json > out/scores.json
python examples/emoji/scripts/write_scores.py out/scores.json
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any


README = Path(__file__).parents[3] / "README.md"
START, END = "<!-- scores -->\n", "<!-- /scores -->\n"
TITLES = {
    "questions": "answers: scenes with contents never seen",
    "questions-unseen-style": "answers: a drawing style never seen",
    "questions-unseen-wordings": "answers: wordings never seen",
    "easy-vqa": "easy-VQA, test split",
    "captions": "captions, exact set of things and counts",
    "reconstruction": "judge: pictures decoded from true features",
    "plans": "plans before painting: what was asked for, and where",
    "plans-unseen": "plans before painting: unseen pairs and coloured shapes",
    "painting": "judge: painted, GenEval format, mean of six categories",
    "painting-unseen": "judge: painted, unseen pairs and coloured shapes",
    "diversity": "how much pictures of one prompt differ",
    "speed": "one picture alone, default sampler, in seconds",
}
SHOWN_WHOLE = (
    "questions",
    "reconstruction",
    "plans",
    "plans-unseen",
    "painting",
    "painting-unseen",
    "diversity",
)  # the others without their categories


def main() -> None:
    """Read the scores, write the table and today's date."""
    rows = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    table = "| what | score | 95 % interval | n | beside it |\n|---|---|---|---|---|\n"
    table += "".join(filter(None, map(_line, rows)))
    date = f"Measured by `make scores` from the shipped weights on {datetime.date.today()}; three sampling seeds.\n\n"
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(START)
    README.write_text(before + START + date + table + END + rest.split(END)[1], encoding="utf-8")


def _line(row: dict[str, Any]) -> str:
    metric, _, category = row["name"].partition("/")
    if category and metric not in SHOWN_WHOLE:
        return ""
    low, high = row["interval"] or (None, None)
    told = category.replace("-", " ").replace("_", " ")
    title = f"· {told}" if category else f"**{TITLES[metric]}**"
    if metric == "diversity":
        title = f"{TITLES[metric]}: {told}, {row['unit']}"
    value = f"{row['value']:.3f}" if category else f"**{row['value']:.3f}**"
    spread = "" if low is None else f"{low:.3f}, {high:.3f}"
    beside = "  ".join(f"{name} {each:.3f}" for name, each in row["baselines"].items())
    return f"| {title} | {value} | {spread} | {row['count']} | {beside} |\n"


if __name__ == "__main__":
    main()
