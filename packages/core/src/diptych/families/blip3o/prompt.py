"""The prompt form of BLIP3-o, as plain data: ChatML, with its own tokens for a picture to be made."""

from __future__ import annotations

from typing import Any


PROMPT: dict[str, Any] = {
    "system": "You are a helpful assistant.",
    "paint": "Please generate image based on the following caption: {prompt}",
    "paint_open": "[IMG]",
    "query_pad": "<image>",
}
