"""The one tokenizer class: ids of special tokens come from names, never from what users type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from diptych.errors import Problem, SpecError, suggest


class TextTokenizer:
    """A `tokenizers.Tokenizer` that keeps special tokens out of reach of user text."""

    def __init__(self, tokenizer: Tokenizer, special: Sequence[str] = (), size: int | None = None) -> None:
        """Wrap a tokenizer, adding the special tokens that it does not know yet (in this order, at the end).

        Raises:
            SpecError: if it has more tokens than `size`, the number of rows of a table that it must fit.
        """
        self._tokenizer = tokenizer
        missing = [token for token in special if tokenizer.token_to_id(token) is None]
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in missing])
        self._special = set(special)
        self._size = size
        own = tokenizer.get_vocab_size(with_added_tokens=True)
        if size is not None and own > size:
            new = f", of which {', '.join(missing)} were added to it" if missing else ""
            raise SpecError([Problem("tokenizer", f"it has {own} tokens{new}, but the tables have {size} rows")])

    def __len__(self) -> int:
        """Count all ids, special tokens and rows that stand for no token included."""
        return self._size or self._tokenizer.get_vocab_size(with_added_tokens=True)

    def encode(self, text: str, *, special: bool = False) -> list[int]:
        """Turn text into ids. Only with `special` do names of special tokens in the text become their ids.

        Nor do other words that were added to a tokenizer without calling them special, such as BLIP3o-NEXT's `<I5>`.
        """
        tokenizer = self._tokenizer if special else self._plain
        tokenizer.encode_special_tokens = not special
        text = text.encode("utf-8", "replace").decode("utf-8")  # what a terminal could not decode becomes "?"
        return tokenizer.encode(text, add_special_tokens=False).ids

    @cached_property
    def _plain(self) -> Tokenizer:
        """Return the tokenizer without the words that were added and could be typed."""
        added = self._tokenizer.get_added_tokens_decoder().values()
        if all(each.special for each in added):
            return self._tokenizer
        data = json.loads(self._tokenizer.to_str())
        kept = [each for each in data["added_tokens"] if each["special"]]
        return Tokenizer.from_str(json.dumps({**data, "added_tokens": kept}))

    def decode(self, ids: Sequence[int]) -> str:
        """Turn ids into text, special tokens left out."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    def id_of(self, token: str) -> int:
        """Return the id of a special token.

        Raises:
            SpecError: if the tokenizer does not know it.
        """
        found = self._tokenizer.token_to_id(token)
        if found is None:
            near = suggest(token, self._special)
            raise SpecError([Problem("prompt", f"the tokenizer has no token '{token}'{near}", "reference")])
        return found

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` into a folder."""
        self._tokenizer.save(str(folder / "tokenizer.json"))
