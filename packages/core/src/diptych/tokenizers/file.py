"""`file`: a `tokenizer.json` of the tokenizers library."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen, validators

from diptych.errors import Problem, SpecError
from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting


if TYPE_CHECKING:
    from diptych.tokenizers.text import TextTokenizer


@frozen(slots=False)
class FileTokenizer(PartSpec):
    """A `tokenizer.json`, or a folder that holds one; special tokens that it lacks are added at the end."""

    kind: ClassVar[str] = "tokenizer"
    path: str = setting("the file or folder, relative to the spec file", is_path=True)
    special: tuple[str, ...] = setting("special tokens; those of the prompt form unless given", default=())
    size: int | None = setting(
        "number of ids, where tables of trained weights have more rows than there are tokens",
        default=None,
        check=validators.optional(validators.ge(1)),
    )

    @cached_property
    def vocabulary(self) -> int:
        """Number of ids; where `size` says it, the file need not be there yet."""
        return self.size or len(self.build())

    def ports(self) -> Ports:
        """Give out ids."""
        return Ports(outputs={"ids": Port("vocabulary")})

    def build(self) -> TextTokenizer:
        """Read the file.

        Raises:
            SpecError: if it is missing or not a tokenizer.
        """
        from tokenizers import Tokenizer

        from diptych.tokenizers.text import TextTokenizer

        path = Path(self.path)
        path = path / "tokenizer.json" if path.is_dir() else path
        try:
            tokenizer = TextTokenizer(Tokenizer.from_file(str(path)), self.special, self.size)
        except SpecError:
            raise
        except Exception as error:  # the library raises bare Exception for a missing file and for a bad one alike
            raise SpecError([Problem("tokenizer.path", f"{path} is not a readable tokenizer.json: {error}")]) from error
        return tokenizer
