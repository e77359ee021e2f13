"""The prompt form of Janus-Pro, as plain data: DeepSeek's turns, with roles that are tokens of their own."""

from __future__ import annotations

from typing import Any


START = "<\uff5cbegin\u2581of\u2581sentence\uff5c>"
END = "<\uff5cend\u2581of\u2581sentence\uff5c>"
PAD = "<\uff5c\u2581pad\u2581\uff5c>"
"""The word that a null prompt is made of."""
ROLES = ("<|User|>", "<|Assistant|>")
PROMPT: dict[str, Any] = {
    "turns": {
        "system": "{content}\n\n",
        "user": f"{ROLES[0]}: {{content}}\n\n",
        "assistant": f"{ROLES[1]}: {{content}}{END}",
    },
    "start": START,
    "system": "You are a helpful language and vision assistant. You are able to understand the visual content that the "
    "user provides, and assist the user with a variety of tasks using natural language.",
    "paint_system": "",
    "between": "\n",
    "paint": "{prompt}",
    "image_open": "<begin_of_image>",
    "image_pad": "<image_placeholder>",
    "image_close": "<end_of_image>",
    "paint_open": "<begin_of_image>",
    "query_pad": "<image_placeholder>",
}
