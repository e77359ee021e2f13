"""The one prompt builder: conversations -> ids with spans. Training and inference both use it.

User text is encoded with special tokens switched off, so that typing `<|paint|>` cannot forge one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import field, frozen

from diptych.data.sample import Picture, Sample, Thought, Turn, Wish, shown_in, thought_of, words_of
from diptych.errors import Problem, RequestError, SpecError
from diptych.spec.model import Prompt
from diptych.tokenizers.text import TextTokenizer


@frozen
class Span:
    """A run of placeholder positions: where it starts, and which picture (by order) fills it."""

    start: int
    length: int
    picture: int


@frozen
class Encoded:
    """One sequence: ids, which of them are to be learned, and where pictures go.

    Attributes:
        ids: token ids; placeholders stand where features are merged in.
        learned: True for ids that the text head should predict.
        images: spans of pictures that are read, in order.
        queries: how many latent-query placeholders end the sequence.
    """

    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    images: tuple[Span, ...] = ()
    queries: int = 0


@frozen
class PromptBuilder:
    """Turns conversations into ids by the prompt form of the model spec."""

    form: Prompt
    tokenizer: TextTokenizer
    _cache: dict[tuple[str, bool], tuple[int, ...]] = field(factory=dict, init=False, eq=False)

    def token_ids(self) -> dict[str, int]:
        """Return the ids of all special tokens by name."""
        return {token: self.tokenizer.id_of(token) for token in self.form.special_tokens()}

    def check_ids(self) -> None:
        """Compare the ids stored in the spec with those of the tokenizer.

        Raises:
            SpecError: naming each token whose id differs.
        """
        own = self.token_ids()
        problems = [
            Problem("prompt.token_ids", f"'{token}' is {own.get(token)} in the tokenizer, but {stored} in the spec")
            for token, stored in self.form.token_ids.items()
            if own.get(token) != stored
        ]
        if problems:
            raise SpecError(problems, "tokenizer")

    def conversation(self, turns: Sequence[Turn], image_tokens: int) -> Encoded:
        """Encode turns for understanding.

        Args:
            turns: the conversation; if it ends with the user's turn, the assistant's is opened to be continued.
            image_tokens: how many backbone tokens one read picture takes.
        """
        ids: list[int] = []
        learned: list[bool] = []
        spans: list[Span] = []
        for turn in self._started(ids, learned, turns, self.form.system):
            self._turn(turn, image_tokens, ids, learned, spans)
        if turns and turns[-1].role != "assistant":
            self._add(ids, learned, self._template("assistant")[0])
        return Encoded(tuple(ids), tuple(learned), tuple(spans))

    def painting(
        self,
        wish: Wish,
        queries: int,
        *,
        before: Sequence[Turn] = (),
        image_tokens: int | None = None,
        learning: bool = False,
    ) -> Encoded:
        """Encode a request for a picture: the user's turn, the assistant's opened, the paint token, the queries.

        What was thought about the request stands before the paint token, and is to be learned.

        Args:
            wish: a prompt, or a request with pictures that it is about, or a thought.
            queries: how many latent queries end the sequence.
            before: the conversation up to the request.
            image_tokens: how many backbone tokens one of these pictures takes; None for a backbone that does not read
                them, which gets the words alone.
            learning: makes no difference, unless the form has the switch `closed_turn` of reference numerics.
        """
        ids, learned, spans = self._asked(wish, image_tokens, before)
        thought = thought_of(wish)
        self._add(ids, learned, self._thought(thought) if thought else [], True)
        self._add(ids, learned, self._template("assistant")[2] if learning and self.form.closed_turn else [])
        opens = (self.form.paint_open, self.form.paint_scale)
        self._add(ids, learned, [self.tokenizer.id_of(token) for token in opens if token])
        self._add(ids, learned, [self.tokenizer.id_of(self.form.query_pad)] * queries)
        return Encoded(tuple(ids), tuple(learned), tuple(spans), queries)

    def thinking(self, wish: Wish, *, image_tokens: int | None = None) -> Encoded:
        """Encode a request for a picture as far as the token that starts a thought about it; see `painting`."""
        ids, learned, spans = self._asked(wish, image_tokens)
        self._add(ids, learned, [self.tokenizer.id_of(self.form.think_open)])
        return Encoded(tuple(ids), tuple(learned), tuple(spans))

    def learned(self, sample: Sample, image_tokens: int) -> Encoded:
        """Encode a sample of which what the assistant says is to be learned: aloud, or in thought before a picture."""
        if sample.only_paints():
            return self.painting(sample.wish(), 0, before=sample.turns[:-2], image_tokens=image_tokens, learning=True)
        return self.conversation(sample.turns, image_tokens)

    def painted(self) -> list[int]:
        """Return the ids after a picture that was made of ids: what closes it, and what closes the turn."""
        close = [self.tokenizer.id_of(self.form.paint_close)] if self.form.paint_close else []
        return [*close, *self._template("assistant")[2]]

    def request(self, wish: Wish, *, pictures: bool = True) -> tuple[str | Picture, ...]:
        """Put a wish into the words that ask for a picture, with its pictures where the form has them, or without."""
        words, shown = words_of(wish).strip(), shown_in(wish)
        if not shown:
            return (self.form.paint.replace("{prompt}", words),)
        form = self.form.edit_many if len(shown) > 1 and self.form.edit_many else self.form.edit
        before, _, after = form.replace("{count}", str(len(shown))).partition("{pictures}")
        said = (before.replace("{prompt}", words), *(shown if pictures else ()), after.replace("{prompt}", words))
        return tuple(each for each in said if not isinstance(each, str) or each)

    def stop_id(self) -> int:
        """Return the id that ends an assistant's turn: the first token after its content."""
        return self._template("assistant")[2][0]

    def spoken(self, ids: Sequence[int]) -> list[int]:
        """Return what is said aloud of an assistant's turn: up to its end, without the thought before it."""
        said = list(ids)
        if self.stop_id() in said:
            said = said[: said.index(self.stop_id())]
        if self.form.think_close:
            close = self.tokenizer.id_of(self.form.think_close)
            said = said[said.index(close) + 1 :] if close in said else said
        return said

    def _asked(
        self, wish: Wish, image_tokens: int | None, before: Sequence[Turn] = ()
    ) -> tuple[list[int], list[bool], list[Span]]:
        """Encode a request for a picture, and open the assistant's turn: -> ids, learned ones, pictures."""
        if not words_of(wish).strip():
            raise RequestError("the prompt is empty; say what to paint, for example 'a red heart'")
        ids: list[int] = []
        learned: list[bool] = []
        spans: list[Span] = []
        system = self.form.system if self.form.paint_system is None else self.form.paint_system
        said = self.request(wish, pictures=image_tokens is not None)
        for turn in self._started(ids, learned, [*before, Turn("user", said)], system):
            self._turn(turn, image_tokens or 0, ids, learned, spans)
        self._add(ids, learned, self._template("assistant")[0])
        return ids, learned, spans

    def _started(self, ids: list[int], learned: list[bool], turns: Sequence[Turn], system: str) -> list[Turn]:
        """Put the first token, and return the turns with the system's before them."""
        if self.form.start:
            self._add(ids, learned, [self.tokenizer.id_of(self.form.start)])
        if system and not (turns and turns[0].role == "system"):
            return [Turn("system", (system,)), *turns]
        return list(turns)

    def _turn(self, turn: Turn, image_tokens: int, ids: list[int], learned: list[bool], spans: list[Span]) -> None:
        opening, spaces, closing = self._template(turn.role)
        answer = turn.role == "assistant"
        self._add(ids, learned, opening)
        pieces = list(self._pieces(spaces, turn.content))
        joined = [self.form.one_frame and not isinstance(each, str | Thought) for each in pieces]
        for piece, opened, goes_on in zip(pieces, [False, *joined], [*joined[1:], False], strict=False):
            if isinstance(piece, str):
                self._add(ids, learned, self._encode(piece), answer)
            elif isinstance(piece, Thought):
                self._add(ids, learned, self._thought(piece), answer)
            else:
                self._add(ids, learned, [] if opened else [self.tokenizer.id_of(self.form.image_open)])
                spans.append(Span(len(ids), image_tokens, len(spans)))
                self._add(ids, learned, [self.tokenizer.id_of(self.form.image_pad)] * image_tokens)
                self._add(ids, learned, [] if goes_on else [self.tokenizer.id_of(self.form.image_close)])
        self._add(ids, learned, closing[:1], answer)
        self._add(ids, learned, closing[1:])

    def _pieces(self, text: str, content: Sequence[Any]) -> Iterator[Any]:
        """Yield what a turn holds, with `text` before it and `between` around pictures; texts are joined first."""
        read = None
        for piece in content:
            picture = not isinstance(piece, str | Thought)
            text += self.form.between if read or (picture and read is not None) else ""
            read = picture
            if isinstance(piece, str):
                text += piece
                continue
            if text:
                yield text
            yield piece
            text = ""
        if text:
            yield text

    def _thought(self, thought: Thought) -> list[int]:
        if not self.form.think_open:
            return []
        marks = (self.tokenizer.id_of(token) for token in (self.form.think_open, self.form.think_close))
        return [next(marks), *self._encode(thought.text), next(marks)]

    def _template(self, role: str) -> tuple[list[int], str, list[int]]:
        """Return what opens a turn, the spaces that its content begins with, and what closes it."""
        opening, _, closing = self.form.form_of(role).partition("{content}")
        bare = opening.rstrip(" ")
        return self._encode(bare, special=True), opening[len(bare) :], self._encode(closing, special=True)

    def _encode(self, text: str, *, special: bool = False) -> list[int]:
        if not special:
            return self.tokenizer.encode(text)
        key = (text, special)
        if key not in self._cache:
            self._cache[key] = tuple(self.tokenizer.encode(text, special=True))
        return list(self._cache[key])

    @staticmethod
    def _add(ids: list[int], learned: list[bool], new: Sequence[int], learn: bool = False) -> None:
        ids.extend(new)
        learned.extend([learn] * len(new))
