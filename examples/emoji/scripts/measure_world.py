"""Prints the README's tables about the world itself: blind answers; the judge's ceilings, floors, worn pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from diptych_emoji.blind import asked, blind_baseline
from diptych_emoji.captions import Wordings
from diptych_emoji.judge import by_tag, floor, judge, real, styles_for
from diptych_emoji.prompts import TAGS, PromptSplit, prompts
from diptych_emoji.questions import KINDS, Question, questions
from diptych_emoji.scenes import Split, sample_scene
from diptych_emoji.sprites import STYLES
from diptych_emoji.world import TRAIN_STYLES


def main() -> None:
    """Measure everything; takes minutes."""
    print("| scenes, wordings | all |", " | ".join(KINDS), "|")
    for split, wordings in (("train", "train"), ("held-out", "train"), ("held-out", "held-out")):
        print(f"| {split}, {wordings} |", *_blind(split, wordings))  # type: ignore[arg-type]
    print("\n| | n |", " | ".join(TAGS), "| mean |")
    for prompt_split in ("seen", "unseen"):
        _judged(prompt_split)  # type: ignore[arg-type]
    print("\n| worn real pictures | n | mean |")
    _worn()


def _asked(split: Split, wordings: Wordings, scenes: int, seed: int) -> list[Question]:
    rng = np.random.default_rng(seed)
    return [
        each
        for _ in range(scenes)
        for each in questions(sample_scene(rng, split), rng, 4, wordings)
    ]


def _blind(split: Split, wordings: Wordings) -> list[str]:
    train, test = _asked("train", "train", 20_000, 1), _asked(split, wordings, 4_000, 2)
    shares = [blind_baseline(map(asked, train), map(asked, test))]
    for kind in KINDS:
        own = ([asked(each) for each in every if each.kind == kind] for every in (train, test))
        shares.append(blind_baseline(*own))
    return [f"{share:.3f} |".removeprefix("0") for share in shares]


def _judged(split: PromptSplit) -> None:
    records = prompts(split, per_tag=100)
    for style in STYLES:
        rounds = [judge(real(records, style, seed), records, styles_for(style)) for seed in (0, 1)]
        shares = by_tag(records * 2, rounds[0] + rounds[1])
        _row(f"{split}: ceiling, {style}", len(records) * 2, shares)
    _row(f"{split}: floor", len(records), floor(real(records), records))


def _worn() -> None:
    records = prompts(per_tag=50)
    shown = np.concatenate([real(records, style) for style in TRAIN_STYLES])
    noise = np.random.default_rng(0).standard_normal(shown.shape)
    ways = {f"blur of {radius} px": _each(shown, _blurred(radius)) for radius in (0.7, 1.2)}
    for sigma in (6, 12):
        ways[f"noise of sigma {sigma}"] = np.clip(shown + sigma * noise, 0, 255).astype(np.uint8)
    ways["halved and enlarged"] = _each(shown, lambda each: each.resize((32, 32)).resize((64, 64)))
    for name, worn in ways.items():
        share = by_tag(records * 2, judge(worn, records * 2))["overall"]
        print(f"| {name} | {len(worn)} | {share:.3f} |", flush=True)


def _blurred(radius: float) -> Callable[[Image.Image], Image.Image]:
    return lambda each: each.filter(ImageFilter.GaussianBlur(radius))


def _each(
    shown: NDArray[np.uint8], change: Callable[[Image.Image], Image.Image]
) -> NDArray[np.uint8]:
    return np.stack([np.asarray(change(Image.fromarray(each))) for each in shown])


def _row(name: str, count: int, shares: Mapping[str, float]) -> None:
    cells = [f"{shares[tag]:.3f}" if tag in shares else "" for tag in (*TAGS, "overall")]
    print(f"| {name} | {count} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
