"""What this plugin offers: datasets, a tokenizer, metrics, specs and recipes."""

from __future__ import annotations

from diptych import Component, hookimpl


@hookimpl
def diptych_register_dataset() -> list[Component]:
    """Return the datasets."""
    return [
        Component(
            "emoji-scenes",
            "diptych_emoji.datasets:EmojiScenes",
            "scenes of one to three emoji, to ask about or paint",
        ),
        Component(
            "easy-vqa",
            "diptych_emoji.datasets:EasyVqa",
            "the questions of the PyPI package easy-vqa",
        ),
    ]


@hookimpl
def diptych_register_tokenizer() -> list[Component]:
    """Return the tokenizer."""
    return [
        Component(
            "emoji-words",
            "diptych_emoji.tokenizer:EmojiWords",
            "the words of the emoji world, and bytes",
        )
    ]


@hookimpl
def diptych_register_metric() -> list[Component]:
    """Return the metrics."""
    return [
        Component(
            "emoji-questions", "diptych_emoji.metrics:Questions", "answers about scenes, by kind"
        ),
        Component("emoji-captions", "diptych_emoji.metrics:Captions", "exact captions of scenes"),
        Component(
            "emoji-painting", "diptych_emoji.metrics:Painting", "painted pictures under the judge"
        ),
        Component(
            "emoji-plans", "diptych_emoji.metrics:Plans", "thoughts before painting, read as plans"
        ),
        Component(
            "emoji-reconstruction",
            "diptych_emoji.metrics:Reconstruction",
            "decoded true features under the judge",
        ),
        Component(
            "emoji-diversity",
            "diptych_emoji.metrics:Diversity",
            "how much pictures of one prompt differ",
        ),
        Component(
            "emoji-speed", "diptych_emoji.metrics:Speed", "seconds from a prompt to its picture"
        ),
        Component(
            "easy-vqa",
            "diptych_emoji.metrics:EasyVqaAnswers",
            "answers to the test questions of easy-vqa",
        ),
    ]


@hookimpl
def diptych_register_spec() -> list[Component]:
    """Return the files that have a name."""
    return [
        Component(
            "emoji-pocket", "diptych_emoji:specs/pocket.yaml", "model spec of the pocket model"
        ),
        Component(
            "emoji-pocket-recipe",
            "diptych_emoji:specs/pocket-recipe.yaml",
            "trains it from nothing",
        ),
        Component(
            "emoji-quick", "diptych_emoji:specs/quick.yaml", "model spec of a smaller model, for CI"
        ),
        Component(
            "emoji-quick-recipe", "diptych_emoji:specs/quick-recipe.yaml", "trains it in minutes"
        ),
        Component("emoji-quick-suite", "diptych_emoji:specs/quick-suite.yaml", "scores it"),
        Component(
            "pocket",
            "diptych_emoji:weights/pocket",
            "the trained pocket model: a checkpoint folder",
        ),
        Component("emoji-suite", "diptych_emoji:specs/suite.yaml", "scores it"),
    ]
