"""The spec of `autoregressive`: image ids, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from attrs import frozen, validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, deviation, inferred, setting
from diptych_heads.sizes import known


if TYPE_CHECKING:
    from torch import nn

_POSITIVE = validators.ge(1)


@frozen
class Autoregressive(PartSpec):
    """Image ids that the backbone writes after the prompt, with a key/value cache.

    Ids either have an embedding and an output of their own (Janus), or are words of the backbone's
    vocabulary (BLIP3o-NEXT); words that are no image ids cannot be sampled.
    """

    kind: ClassVar[str] = "head"
    continues: ClassVar[bool] = True
    codes: int = setting("number of image ids", check=_POSITIVE)
    ids: Literal["own", "backbone"] = setting(
        "where ids are embedded and scored: by tables of their own, or as words of the backbone",
        default="own",
    )
    first_token: str | None = setting(
        "with `ids: backbone`, the word that stands for image id 0; the others follow it",
        default=None,
    )
    first_id: int | None = setting(
        "the id of that word, looked up when a model is built, saved, and checked on load",
        default=None,
        check=validators.optional(validators.ge(0)),
    )
    embed_width: int = setting("width of the own embedding", default=8, check=_POSITIVE)
    align_layers: int = setting(
        "linear layers from the own embedding to the backbone's width, GELU between",
        default=2,
        check=_POSITIVE,
    )
    output_width: int | None = setting(
        "inner width of the own output; the backbone's unless given",
        default=None,
        check=validators.optional(_POSITIVE),
    )
    positions: Literal["1d", "2d"] = setting(
        "1d: the backbone counts tokens; 2d: learned rows and columns are added to that",
        default="1d",
    )
    temperature: float = setting(
        "divides logits; 0 takes the likeliest id", default=1.0, check=validators.ge(0)
    )
    top_k: int = setting(
        "sample from so many likeliest ids; 0 for all", default=0, check=validators.ge(0)
    )
    top_p: float = setting(
        "sample from the likeliest ids that together have this probability",
        default=1.0,
        check=[validators.gt(0), validators.le(1)],
    )
    drop_prompt: float = setting(
        "share of training samples whose prompt is replaced by the null one, for guidance",
        default=0.1,
        check=[validators.ge(0), validators.le(1)],
    )
    keep_first: int = setting(
        "tokens at the start of a prompt that its null keeps", default=0, check=validators.ge(0)
    )
    keep_last: int = setting(
        "tokens at the end of a prompt that its null keeps", default=1, check=validators.ge(0)
    )
    null_token: str | None = setting(
        "the word that stands in a null prompt for those that it does not keep, such as the token "
        "for padding; an embedding of the head's own unless given",
        default=None,
    )
    null_id: int | None = setting(
        "the id of that word, looked up when a model is built, saved, and checked on load",
        default=None,
        check=validators.optional(validators.ge(0)),
    )
    unconstrained: bool | None = deviation(
        "with `ids: backbone`, score every word and not image ids alone, as BLIP3o-NEXT does: "
        "words of text can be drawn in the middle of a picture"
    )
    whole_text: bool | None = deviation(
        "with `ids: backbone`, learn the system's and the user's words too and what closes the "
        "picture and the turn, as BLIP3o-NEXT does, whose labels are never masked; one mean over "
        "all words of the batch"
    )
    last_states: bool | None = deviation(
        "with `ids: backbone`, let later steps read in training the last states of the padded row, "
        "as BLIP3o-NEXT does, whose test of the length looks at the width: what closes the turn "
        "and padding included, and not what is read when a picture is made"
    )
    condition_width: int | None = inferred("width of the backbone")
    height: int | None = inferred("rows of ids")
    width: int | None = inferred("columns of ids")

    def __attrs_post_init__(self) -> None:
        """Refuse words without a name, and a name that nothing would use."""
        if self.ids == "backbone" and self.first_token is None and self.first_id is None:
            raise ValueError("with `ids: backbone`, give `first_token`, the word of image id 0")
        if self.ids == "own" and (self.first_token is not None or self.first_id is not None):
            raise ValueError("`first_token` names a word of the backbone; it needs `ids: backbone`")

    def named_ids(self) -> Mapping[str, str]:
        """Return which fields are ids of which tokens."""
        words = {"first_id": self.first_token, "null_id": self.null_token}
        return {field: token for field, token in words.items() if token is not None}

    def ports(self) -> Ports:
        """Go on from the prompt, make ids."""
        return Ports(
            inputs={
                "condition": Port("b q condition_width", "embeddings of the prompt"),
                "target": Port("b (height width)", "image ids"),
            }
        )

    def build(self) -> nn.Module:
        """Make the head."""
        from diptych_heads.autoregressive.head import AutoregressiveHead
        from diptych_heads.autoregressive.tables import BackboneTable, OwnTable

        width = known(self, "condition_width")
        table = (
            BackboneTable(self.codes, self.first_id, bool(self.unconstrained))
            if self.ids == "backbone"
            else OwnTable(
                self.codes,
                width,
                embed_width=self.embed_width,
                align_layers=self.align_layers,
                output_width=self.output_width or width,
            )
        )
        return AutoregressiveHead(
            table,
            width=width,
            grid=(known(self, "height"), known(self, "width")),
            two_axes=self.positions == "2d",
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            drop_prompt=self.drop_prompt,
            kept=(self.keep_first, self.keep_last),
            own_null=self.null_token is None and self.null_id is None,
            null_id=self.null_id,
            whole_text=bool(self.whole_text) and self.ids == "backbone",
            last_states=bool(self.last_states) and self.ids == "backbone",
        )
