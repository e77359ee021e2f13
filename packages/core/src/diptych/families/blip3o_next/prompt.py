"""The prompt form of BLIP3o-NEXT, as plain data: ChatML, and words of its own around image ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


PROMPT: dict[str, Any] = {
    "system": "You are a helpful assistant.",
    "paint": "Please generate image based on the following caption: {prompt}",
    "paint_open": "<im_start>",
    "paint_scale": "<S0>",
    "paint_close": "<im_end>",
    "query_pad": "<|image_pad|>",
}
EDIT: dict[str, Any] = {
    "edit": "Please edit this image according to the following instruction: {prompt}.\n{pictures}",
    "edit_many": "Please edit these {count} images according to the following instruction: {prompt}.\n{pictures}",
    "one_frame": True,
}
"""What the branch BLIP3o-NEXT-edit adds to it."""
FIRST = "<I0>"
"""The word of image id 0."""
PAD = "<|endoftext|>"
_SAID = {"<im_start>": "image_start_tag_id", "<im_end>": "image_end_tag_id", "<S0>": "scale_start_token_id"}


def token_ids(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the ids that a config states for special tokens; the tokenizer must agree with them."""
    return {token: config[key] for token, key in _SAID.items() if isinstance(config.get(key), int)}


def token_fields(ids: Mapping[str, int]) -> dict[str, int]:
    """Return the fields of a config that state these ids; the inverse of `token_ids`."""
    return {key: ids[token] for token, key in _SAID.items() if token in ids}
