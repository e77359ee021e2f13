"""The dataset specs of this plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import frozen, validators

from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych_emoji.easy_vqa_stream import EasyVqaStream
    from diptych_emoji.streams import SceneStream


@frozen
class EmojiScenes(PartSpec):
    """Scenes of one to three emoji on white, endless, each a function of seed and index."""

    kind: ClassVar[str] = "dataset"
    task: Literal["ask", "paint", "imagine"] = setting(
        "`ask`: picture, questions, answers; `paint`: caption, picture; `imagine`: caption, questions, answers",
        default="ask",
    )
    split: Literal["train", "held-out", "any"] = setting(
        "which contents: those held out, the others, or both", default="train"
    )
    styles: tuple[str, ...] = setting(
        "drawing styles, drawn alike often", default=("fluent", "noto")
    )
    layout: Literal["slots", "free"] = setting("jittered quadrants, or anywhere", default="slots")
    only: str | None = setting(
        "scenes of one kind alone, such as `colors`: a single coloured shape", default=None
    )
    tinted: float = setting(
        "share of scenes with things in colours that are not theirs, such as a green taxi: no metric "
        "asks for them, they show what a colour is apart from the shapes that have one",
        default=0.0,
        check=[validators.ge(0), validators.le(1)],
    )
    questions: int = setting("questions a sample", default=4, check=validators.ge(1))
    describe: float = setting("share of samples that also ask for a caption", default=0.3)
    think: bool = setting(
        "think before each answer of where the things are that it depends on, and before a picture "
        "of where each thing shall stand",
        default=False,
    )
    seed: int = setting("decides all samples", default=0)

    def build(self) -> SceneStream:
        """Make the stream."""
        from diptych_emoji.streams import SceneStream

        return SceneStream(self)


@frozen
class EasyVqa(PartSpec):
    """The questions of the PyPI package easy-vqa: shapes and colours, 64 x 64 (MIT, Victor Zhou)."""

    kind: ClassVar[str] = "dataset"
    split: Literal["train", "test"] = setting("which images", default="train")
    questions: int = setting("questions a sample", default=4, check=validators.ge(1))
    think: bool = setting("think before each answer of what the image shows", default=False)
    turned: bool = setting(
        "show each image in all eight ways to turn and mirror it: nothing that is asked changes",
        default=False,
    )
    seed: int = setting("decides which questions of an image are asked", default=0)

    def build(self) -> EasyVqaStream:
        """Read the package's files."""
        from diptych_emoji.easy_vqa_stream import EasyVqaStream

        return EasyVqaStream(self)
