"""`emoji-words`: one id a word of the emoji world, bytes for all other text."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych.tokenizers.text import TextTokenizer


def words() -> list[str]:
    """Return the word list, in the order of ids."""
    return files("diptych_emoji").joinpath("data/words.txt").read_text(encoding="utf-8").split()


@frozen
class EmojiWords(PartSpec):
    """Byte-level pairs merged into the words of captions, questions and answers; any other text falls back to bytes."""

    kind: ClassVar[str] = "tokenizer"
    special: tuple[str, ...] = setting(
        "special tokens; those of the prompt form unless given", default=()
    )

    @property
    def vocabulary(self) -> int:
        """Number of ids."""
        return len(self._tokens()) + len(set(self.special))

    def ports(self) -> Ports:
        """Give out ids."""
        return Ports(outputs={"ids": Port("vocabulary")})

    def build(self) -> TextTokenizer:
        """Make the tokenizer."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        from diptych.tokenizers.text import TextTokenizer

        tokens, merges = _pairs(words())
        tokenizer = Tokenizer(
            models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)]
        )
        tokenizer.decoder = decoders.ByteLevel()
        return TextTokenizer(tokenizer, self.special)

    def _tokens(self) -> list[str]:
        return _pairs(words())[0]


def _pairs(vocabulary: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Merge each word from its left end, letter by letter: -> all tokens in id order, and the merges.

    A word stands with its leading space (`Ġ` in byte-level notation), as it comes in text.
    """
    tokens = [_letter(byte) for byte in range(256)]
    known, merges = set(tokens), []
    for word in vocabulary:
        built = "Ġ"
        for letter in (_letter(byte) for byte in word.encode()):
            if (built, letter) not in merges:
                merges.append((built, letter))
            built += letter
            if built not in known:
                known.add(built)
                tokens.append(built)
    return tokens, merges


def _letter(byte: int) -> str:
    """Return the printable stand-in of a byte in byte-level BPE (GPT-2's table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return (
        chr(byte)
        if byte in printable
        else chr(256 + [b for b in range(256) if b not in printable].index(byte))
    )
