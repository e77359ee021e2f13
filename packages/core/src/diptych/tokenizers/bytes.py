"""`bytes`: one id a byte. No file, no vocabulary, any text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych.tokenizers.text import TextTokenizer


@frozen
class BytesTokenizer(PartSpec):
    """One id a byte of UTF-8, then the special tokens."""

    kind: ClassVar[str] = "tokenizer"
    special: tuple[str, ...] = setting("special tokens; those of the prompt form unless given", default=())

    @property
    def vocabulary(self) -> int:
        """Number of ids."""
        return 256 + len(set(self.special))

    def ports(self) -> Ports:
        """Give out ids."""
        return Ports(outputs={"ids": Port("vocabulary")})

    def build(self) -> TextTokenizer:
        """Make the tokenizer."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        from diptych.tokenizers.text import TextTokenizer

        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.decoder = decoders.ByteLevel()
        return TextTokenizer(tokenizer, self.special)
