"""What answering questions without looking at the picture scores."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from diptych_emoji.questions import Question


Asked = tuple[tuple[str, ...], str]
"""What identifies a question, from most to least exact, and its answer."""


def asked(question: Question) -> Asked:
    """A question as `blind_baseline` takes it: by its text, then its form, then its kind."""
    return (question.text, question.form, question.kind), question.answer


def blind_baseline(train: Iterable[Asked], test: Iterable[Asked]) -> float:
    """What the most common answer scores.

    Args:
        train: Questions to learn from.
        test: Questions to score; at least one.

    Returns:
        Share in 0..1 of test answers that equal the most common training answer to the same text
        or, where training never asked it, to the same form, to the same kind, or of all.
    """
    seen: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for keys, answer in train:
        for key in enumerate((*keys, "")):
            seen[key][answer] += 1
    guesses = {key: answers.most_common(1)[0][0] for key, answers in seen.items()}
    right = total = 0
    for keys, answer in test:
        depth = len(keys)
        guess = next(
            (guesses[key] for key in enumerate(keys) if key in guesses), guesses.get((depth, ""))
        )
        right += guess == answer
        total += 1
    return right / total
