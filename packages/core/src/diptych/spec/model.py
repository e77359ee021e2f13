"""The model spec: which parts make a model, and how they meet. Frozen data, no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from attrs import frozen, validators

from diptych.spec.part import PartSpec, Slot, deviation, setting


_TOKENS = re.compile("<[|\uff5c][^|\uff5c]*[|\uff5c]>")  # DeepSeek's tokens have wide bars
ROLES = ("system", "user", "assistant")


def _holds_a_turn(_: object, __: object, turn: str) -> None:
    if "{role}" not in turn or not turn.partition("{content}")[2]:
        raise ValueError("it must hold {role}, {content}, and after that something that ends the turn")


def _hold_turns(_: object, __: object, turns: Mapping[str, str]) -> None:
    for role, turn in turns.items():
        if role not in ROLES:
            raise ValueError(f"'{role}' is no role; roles are {', '.join(ROLES)}")
        if not turn.partition("{content}")[2]:
            raise ValueError(f"that of the {role} must hold {{content}}, and after that something that ends the turn")


def _holds_a_prompt(_: object, __: object, paint: str) -> None:
    if "{prompt}" not in paint:
        raise ValueError("it must hold {prompt}, where the prompt is put")


def _holds_an_edit(_: object, __: object, edit: str) -> None:
    if "{prompt}" not in edit or edit.count("{pictures}") != 1:
        raise ValueError("it must hold {prompt}, where the instruction is put, and {pictures} once, where they stand")


def _holds_an_edit_or_nothing(_: object, __: object, edit: str) -> None:
    if edit:
        _holds_an_edit(_, __, edit)


@frozen
class Prompt:
    """How a conversation becomes text: one form, used by training and inference alike.

    Words in `<|…|>` or `[…]` here are special tokens of the tokenizer, looked up by name; text of users never is.
    Spaces before {content} belong to the content, as tokenizers put them into the word that follows: a turn that is
    opened to be continued ends without them.
    """

    turn: str = setting(
        "one turn, holding {role} and {content}",
        default="<|im_start|>{role}\n{content}<|im_end|>\n",
        check=_holds_a_turn,
    )
    turns: Mapping[str, str] = setting(
        "turns of another form, by role, each holding {content}; role names of the model's own stand in them",
        factory=dict,
        check=_hold_turns,
    )
    start: str = setting("token before every conversation; empty for none", default="")
    system: str = setting("a system turn put before every conversation; empty for none", default="")
    paint_system: str | None = setting(
        "the system turn before a request for a picture, empty for none; `system` unless given", default=None
    )
    between: str = setting("text between a picture that is read and what stands beside it in its turn", default="")
    paint: str = setting(
        "the request for a picture, holding {prompt}", default="Paint: {prompt}", check=_holds_a_prompt
    )
    edit: str = setting(
        "the request for a picture made from others, holding {prompt} and {pictures}",
        default="{pictures}Edit: {prompt}",
        check=_holds_an_edit,
    )
    edit_many: str = setting(
        "that for several pictures, where it is another; it may hold {count}",
        default="",
        check=_holds_an_edit_or_nothing,
    )
    image_open: str = setting("token before the features of an image", default="<|vision_start|>")
    image_pad: str = setting("token standing for one feature of an image", default="<|image_pad|>")
    image_close: str = setting("token after the features of an image", default="<|vision_end|>")
    one_frame: bool = setting(
        "pictures beside one another stand between one `image_open` and one `image_close`, as in BLIP3o-NEXT-edit",
        default=False,
    )
    paint_open: str = setting("token that starts a picture to be made", default="<|paint|>")
    paint_scale: str = setting(
        "token after it that says the scale of what is made, as BLIP3o-NEXT has; empty for none", default=""
    )
    paint_close: str = setting("token after a picture that was made of ids; empty for none", default="")
    query_pad: str = setting("token standing for one latent query", default="<|query_pad|>")
    think_open: str = setting("token that starts a thought of the assistant; empty for none", default="")
    think_close: str = setting("token that ends a thought; needed with `think_open`", default="")
    closed_turn: bool | None = deviation(
        "in training, close the assistant's empty turn before a picture to be made, as BLIP3-o does: what is learned "
        "then stands two tokens after what is asked for"
    )
    token_ids: Mapping[str, int] = setting("ids of these tokens, written on save and checked on load", factory=dict)

    def special_tokens(self) -> tuple[str, ...]:
        """Return every special token that this prompt form uses, in order of first use."""
        shared = self.turn if set(ROLES) - self.turns.keys() else ""
        found = [token.replace("{role}", role) for token in _TOKENS.findall(shared) for role in ROLES]
        for role in ROLES:
            found += _TOKENS.findall(self.form_of(role)) if role in self.turns else []
        rare = (self.start, self.paint_scale, self.paint_close, self.think_open, self.think_close)
        own = [self.image_open, self.image_pad, self.image_close, self.paint_open, self.query_pad]
        return tuple(dict.fromkeys([*found, *own, *filter(None, rare)]))

    def form_of(self, role: str) -> str:
        """Return the form of a role's turns, holding {content}."""
        return self.turns.get(role, self.turn).replace("{role}", role)


@frozen
class Understand:
    """How pictures are read: an encoder under `vision` (or the backbone's own), and a connector to the backbone.

    An image tokenizer under `vision` reads pictures as ids; they are embedded as the generate step embeds them whose
    target they are, and there is no connector.
    """

    encoder: str = setting("a name under `vision`, or `backbone` for its own tower")
    connector: Annotated[PartSpec, Slot("connector")] | None = setting("features -> backbone width", default=None)


@frozen
class Think:
    """How the model thinks before it paints: it writes a thought about the request, which conditions then read too.

    It is learned by `answer` from samples that have such a thought, and `paint` reads it there. A text head and the
    tokens `think_open` and `think_close` of the prompt form are needed.
    """

    temperature: float = setting(
        "divides the logits that words are drawn by; 0 takes the likeliest", default=1.0, check=validators.ge(0)
    )
    max_tokens: int = setting("most tokens of a thought", default=256, check=validators.ge(1))


@frozen
class GenerateStep:
    """One step of making a picture: a condition is read out, a head makes the target from it."""

    name: str = setting("a name of yours for this step")
    condition: Annotated[PartSpec, Slot("condition")] = setting("what the head receives")
    target: str = setting("a name under `vision`: the features, latents or ids to make")
    head: Annotated[PartSpec, Slot("head")] = setting("condition -> target")
    normalise: Annotated[PartSpec, Slot("normaliser")] | None = setting("target <-> the head's units", default=None)
    sampler: Annotated[PartSpec, Slot("sampler")] | None = setting("how the head's target is sampled", default=None)
    guidance: Annotated[PartSpec, Slot("guidance")] | None = setting("how the null prediction is used", default=None)


@frozen
class Decode:
    """How features, latents or ids become pixels. Without a decoder, by their own (an autoencoder has one)."""

    of: str = setting("what is decoded: a generate step by its name, or what a part under `vision` gives")
    decoder: Annotated[PartSpec, Slot("decoder")] | None = setting("target -> pixels", default=None)


@frozen
class ModelSpec:
    """A whole model as data. Without `backbone` and `tokenizer` it has no text: it only draws what `decode` says."""

    name: str = setting("the model's name")
    backbone: Annotated[PartSpec, Slot("backbone")] | None = setting(
        "the language model where everything meets", default=None
    )
    tokenizer: Annotated[PartSpec, Slot("tokenizer")] | None = setting("text <-> ids", default=None)
    prompt: Prompt = setting("how a conversation becomes text", default=Prompt())
    vision: Mapping[
        str,
        Annotated[PartSpec, Slot("encoder", "autoencoder", "image_tokenizer")],
    ] = setting("encoders, autoencoders and image tokenizers, by a name of yours", factory=dict)
    understand: Understand | None = setting("how pictures are read", default=None)
    text: Annotated[PartSpec, Slot("head")] | None = setting("the text head", default=None)
    think: Think | None = setting("what is thought before a picture is painted; nothing unless given", default=None)
    generate: tuple[GenerateStep, ...] = setting("the steps of making a picture, in order", default=())
    decode: Decode | None = setting("how a target becomes pixels", default=None)
    numerics: Literal["clean", "reference"] = setting(
        "what is right, or what the original code of the model did, its mistakes included: the switches that say so",
        default="clean",
    )

    def step(self, name: str) -> GenerateStep:
        """Return a generate step by name."""
        return next(each for each in self.generate if each.name == name)

    def writer(self, name: str) -> GenerateStep | None:
        """Return the generate step that writes ids of an image tokenizer under `vision` after the prompt, or None."""
        own = (each for each in self.generate if each.target == name and getattr(each.head, "continues", False))
        return next(own, None)

    @property
    def eyes(self) -> tuple[str, ...]:
        """Names of what looks at the pictures that a request to paint starts from: vision parts, or `backbone`."""
        read = [self.understand.encoder] if self.understand else []
        referred = [name for step in self.generate for name in getattr(step.condition, "references", ())]
        beside = [step.target for step in self.generate if getattr(step.head, "clean_latent", None)]
        return tuple(dict.fromkeys([*read, *referred, *beside]))

    @property
    def decoded(self) -> str:
        """The name under `vision` of what is decoded; only with a `decode`."""
        assert self.decode is not None
        named = [each.target for each in self.generate if each.name == self.decode.of]
        return named[0] if named else self.decode.of

    @property
    def painted(self) -> GenerateStep | None:
        """The generate step that makes what is decoded, the last if several do; None if none does."""
        if self.decode is None:
            return None
        named = [each for each in self.generate if each.name == self.decode.of]
        made = [each for each in self.generate if each.target == self.decode.of]
        return next(iter(named or made[::-1]), None)
