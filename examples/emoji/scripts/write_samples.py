"""Writes docs/samples.md: the first prompts of every category, painted by the pocket model, with the judge's word.

The first few of each are the README's first picture.

python examples/emoji/scripts/write_samples.py
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL.Image import Image

import diptych
from diptych.pictures import gallery
from diptych_emoji.judge import Verdict, judge
from diptych_emoji.prompts import prompts


DOCS = Path(__file__).parents[3] / "docs"
EACH = 12
ON_COVER = 3
SEED = 7  # of prompts and of noise; another than that of the scores, and not chosen among several
TITLES = {
    "seen": "Things that training showed together",
    "unseen": "Pairs and coloured shapes never seen",
}


def main() -> None:
    """Paint, judge, write one sheet a category, and the page."""
    model = diptych.load("pocket")
    cover = []
    page = [
        "# What the pocket model paints",
        "",
        f"The first {EACH} prompts of every category that a seed draws, one picture each: none is picked, none is left",
        "out. Below a sheet stands what the judge finds wrong, behind the plan that the model wrote before it painted.",
        "Written by `examples/emoji/scripts/write_samples.py`.",
        "",
    ]
    for split, title in TITLES.items():
        page += [f"## {title}", ""]
        records = prompts(split, EACH, SEED)
        wanted, seeds = [record["prompt"] for record in records], range(SEED, SEED + len(records))
        plans = model.think(wanted, seed=seeds)
        pictures = model.generate(wanted, seed=seeds, thoughts=plans)
        verdicts = judge([np.asarray(each) for each in pictures], records)
        groups = defaultdict(list)
        for record, plan, picture, verdict in zip(records, plans, pictures, verdicts, strict=True):
            groups[record["tag"]].append((record["prompt"], plan, picture, verdict))
        for tag, own in groups.items():
            name = f"samples-{split}-{tag}.png".replace("_", "-")
            draw(own, name)
            cover += own[:ON_COVER]
            right = sum(verdict.correct for *_, verdict in own)
            said = tag.replace("_", " ")
            page += [
                f"### {said}: {right} of {len(own)}",
                "",
                f"![{said}, {split}](pictures/{name})",
                "",
            ]
            page += [
                f"- *{prompt}* ({plan}): {verdict.reason}"
                for prompt, plan, _, verdict in own
                if verdict.reason
            ]
            page += [""]
    draw(cover, "painted.png")
    (DOCS / "samples.md").write_text("\n".join(page).rstrip() + "\n", encoding="utf-8")


def draw(painted: Sequence[tuple[str, str, Image, Verdict]], name: str) -> None:
    """Write a sheet of pictures with their prompts."""
    sheet = gallery([each[2] for each in painted], [each[0] for each in painted])
    sheet.convert("P", colors=128).save(DOCS / "pictures" / name, optimize=True)


if __name__ == "__main__":
    main()
