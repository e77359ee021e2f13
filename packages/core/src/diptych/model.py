"""The unified model: the tasks people ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from diptych.data.preprocess import to_pictures
from diptych.data.sample import Picture, Request, Thought, Turn, Wish, shown_in, thought_of, words_of
from diptych.errors import RequestError
from diptych.spec.abilities import must_answer, must_paint, must_reconstruct, must_think
from diptych.ways import Ways


Progress = Callable[[int, int], None]
"""Called with how many pictures there are, and how many there will be."""
Dealt = tuple[Sequence[Wish], Sequence[int], Sequence[str] | None]
"""A batch: wishes, a seed for each, and a negative prompt for each, if there are any."""


class UnifiedModel(Ways):
    """Reads pictures and text, answers in text, and paints pictures.

    Everything is batched; sequences are padded on the left and masked; a seed belongs to a sample.

    Attributes:
        spec: the resolved model spec.
        parts: the modules, by the paths of their slots.
        words: the tokenizer; None in a model without text.
        left_out: slots whose weights a checkpoint did not hold, with the reason.
        origin: what an imported checkpoint keeps of where it came from, or None.
    """

    def save(self, path: str | Path, *, dtype: torch.dtype | None = None, leave_out: Sequence[str] = ()) -> None:
        """Write a checkpoint folder; see `diptych.checkpoint.io.save`."""
        from diptych.checkpoint.io import save

        save(self, path, dtype=dtype, leave_out=leave_out)

    def push_to_hub(self, repo_id: str, *, private: bool = False, dtype: torch.dtype | None = None) -> str:
        """Save, and upload to a model hub with a card: -> where it is; see `diptych.checkpoint.hub.push`."""
        from tempfile import TemporaryDirectory

        from diptych.checkpoint.hub import push

        with TemporaryDirectory() as folder:
            self.save(Path(folder) / "model", dtype=dtype)
            return push(Path(folder) / "model", repo_id, private=private)

    @torch.inference_mode()
    def ask(
        self, pictures: Picture | Sequence[Picture], question: str | Sequence[str], *, max_tokens: int = 64
    ) -> str | list[str]:
        """Answer a question about a picture or several together, or several questions about the same ones."""
        questions = [question] if isinstance(question, str) else list(question)
        shown = _several(pictures)
        answers = self.chat([[Turn("user", (*shown, each))] for each in questions], max_tokens=max_tokens)
        return answers[0] if isinstance(question, str) else answers

    @torch.inference_mode()
    def chat(self, conversations: Sequence[Sequence[Turn]], *, max_tokens: int = 64) -> list[str]:
        """Continue conversations, greedily: -> the assistant's next turn of each.

        Raises:
            RequestError: if the model has no text head, a picture is given that it cannot read, a question is empty
                or too long, or max_tokens < 1.
        """
        from diptych.decoding import continue_text

        if max_tokens < 1:
            raise RequestError(f"max_tokens is {max_tokens}, but at least 1 token can be written")
        self._need_text(any(turn.pictures() for turns in conversations for turn in turns))
        for turns in conversations:
            if not any(turn.text().strip() or turn.pictures() for turn in turns):
                raise RequestError("the question is empty; ask something about the picture")
        return continue_text(self, conversations, max_tokens) if conversations else []

    @torch.inference_mode()
    def generate(
        self,
        prompts: str | Sequence[str],
        *,
        n: int = 1,
        seed: int | Sequence[int] = 0,
        negative: str | Sequence[str] | None = None,
        thoughts: str | Sequence[str] | None = None,
        batch: int = 16,
        progress: Progress | None = None,
    ) -> list[Image.Image]:
        """Paint `n` pictures a prompt: -> pictures, the first prompt's first.

        Picture j of a prompt is a function of its prompts and of seed + j alone, whatever else is in the batch. `seed`
        is one for all prompts, or one for each; so is `negative`, what guidance leads away from, and so are `thoughts`,
        which stand in the place of what the model would think itself, and may be one for each picture too; see `think`.

        Raises:
            RequestError: if the model does not paint, a prompt is empty, n or batch < 1, seeds, negative prompts or
                thoughts and prompts differ in number, or there are negative prompts and no guidance, or thoughts and
                the model does not think.
        """
        wishes = _texts(prompts)
        return self._paint(wishes, _dealt(wishes, "prompt", n, seed, negative, batch, thoughts), n, thoughts, progress)

    @torch.inference_mode()
    def edit(
        self,
        pictures: Picture | Sequence[Picture] | Sequence[Sequence[Picture]],
        instructions: str | Sequence[str],
        *,
        n: int = 1,
        seed: int | Sequence[int] = 0,
        negative: str | Sequence[str] | None = None,
        thoughts: str | Sequence[str] | None = None,
        batch: int = 16,
        progress: Progress | None = None,
    ) -> list[Image.Image]:
        """Paint `n` pictures an instruction from pictures that are given: -> pictures, the first instruction's first.

        With one instruction, `pictures` are what it is about: one or several. With a list of instructions they are a
        list as long, with one or several for each. All else is as in `generate`.

        Raises:
            RequestError: as `generate`; also if nothing in the model looks at pictures, if an instruction has none, or
                if pictures and instructions differ in number.
        """
        wishes = self._about(pictures, instructions)
        dealt = _dealt(wishes, "instruction", n, seed, negative, batch, thoughts)
        return self._paint(wishes, dealt, n, thoughts, progress)

    @torch.inference_mode()
    def think(
        self,
        prompts: str | Sequence[str],
        *,
        pictures: Picture | Sequence[Picture] | Sequence[Sequence[Picture]] | None = None,
        n: int = 1,
        seed: int | Sequence[int] = 0,
        batch: int = 16,
    ) -> list[str]:
        """Write what the model thinks before it paints: -> `n` thoughts a prompt, the first prompt's first.

        They are those that `generate` has of the same prompts and seeds; with `pictures`, those of `edit`. Given back
        to them as `thoughts`, changed or not, they decide what is painted.

        Raises:
            RequestError: as `generate` and `edit`; also if the model does not think before it paints.
        """
        must_think(self.spec)
        wishes = _texts(prompts) if pictures is None else self._about(pictures, prompts)
        found: list[str] = []
        for own, seeds, _ in _dealt(wishes, "prompt", n, seed, None, batch):
            thoughts = map(thought_of, self.considered(own, seeds))
            found += [thought.text for thought in thoughts if thought]
        return found

    @torch.inference_mode()
    def reconstruct(self, pictures: Picture | Sequence[Picture], *, seed: int = 0) -> list[Image.Image]:
        """Encode pictures as what is decoded, and decode them again: the ceiling of painting."""
        shown = _several(pictures)
        must_reconstruct(self.spec)
        target = self.spec.decoded
        self.need("decode", f"vision.{target}")
        if not shown:
            return []
        features = self.encode(target, self.pixels(target, shown))
        return to_pictures(self.to_pixels(features, [seed] * len(shown)))

    def _about(
        self, pictures: Picture | Sequence[Picture] | Sequence[Sequence[Picture]], instructions: str | Sequence[str]
    ) -> list[Wish]:
        """Put pictures and what is said about them together; see `edit`."""
        said = [instructions] if isinstance(instructions, str) else list(instructions)
        given: Sequence[Any] = [pictures] if isinstance(instructions, str) else _several(pictures)  # type: ignore[arg-type]
        if len(given) != len(said):
            raise RequestError(f"{len(said)} instructions, but pictures for {len(given)}; give some for each")
        wishes = [Request(text, _several(own)) for text, own in zip(said, given, strict=True)]
        if any(not wish.pictures for wish in wishes):
            raise RequestError("there is no picture to edit; `generate` paints from words alone")
        self.need(*(f"vision.{name}" for name in self.spec.eyes))
        return list(wishes)

    def _paint(
        self,
        wishes: Sequence[Wish],
        batches: Iterable[Dealt],
        n: int,
        thoughts: str | Sequence[str] | None,
        progress: Progress | None,
    ) -> list[Image.Image]:
        must_paint(self.spec)
        if thoughts is not None:
            must_think(self.spec)
        self.need("backbone", "generate")
        pictures: list[Image.Image] = []
        for own, seeds, away in batches:
            pictures += to_pictures(self.to_pixels(self.features(own, seeds, away), seeds))
            if progress:
                progress(len(pictures), n * len(wishes))
        return pictures

    def _need_text(self, pictures: bool) -> None:
        must_answer(self.spec, pictures=pictures)
        self.need("backbone", "text", "understand")
        if pictures and self.spec.understand:
            self.need(f"vision.{self.spec.understand.encoder}")


def _several(pictures: Picture | Sequence[Picture]) -> tuple[Picture, ...]:
    return tuple(pictures) if isinstance(pictures, list | tuple) else (pictures,)  # type: ignore[arg-type,return-value]


def _texts(prompts: str | Sequence[str]) -> list[Wish]:
    wanted = [prompts] if isinstance(prompts, str) else list(prompts)
    if not all(isinstance(each, str) for each in wanted):
        raise RequestError("a prompt is text; `edit` paints from pictures")
    return list(wanted)


def _dealt(
    wishes: Sequence[Wish],
    called: str,
    n: int,
    seed: int | Sequence[int],
    negative: str | Sequence[str] | None,
    batch: int,
    thoughts: str | Sequence[str] | None = None,
) -> Iterator[Dealt]:
    """Deal out wishes, `n` times each, with their seeds, negative prompts and thoughts."""
    if n < 1:
        raise RequestError(f"n is {n}, but at least 1 picture can be painted")
    if batch < 1:
        raise RequestError(f"batch is {batch}, but at least 1 picture is painted at a time")
    first = _one_each(seed, wishes, called, "seeds")
    away = None if negative is None else _one_each(negative, wishes, called, "negative prompts")
    _refuse_blank(away or (), "a negative prompt is empty; leave it out, or say what to lead away from")
    jobs = [(place, first[place] + j) for place in range(len(wishes)) for j in range(n)]
    asked = _with_thoughts([wishes[place] for place, _ in jobs], n, called, thoughts)
    for start in range(0, len(jobs), batch):
        places, seeds = zip(*jobs[start : start + batch], strict=True)
        yield asked[start : start + batch], seeds, away and [away[each] for each in places]


def _with_thoughts(wishes: Sequence[Wish], n: int, called: str, thoughts: str | Sequence[str] | None) -> Sequence[Wish]:
    """Put thoughts that are given to wishes, which are repeated `n` times: one for all, for `n`, or for each."""
    if thoughts is None:
        return wishes
    given = [thoughts] * len(wishes) if isinstance(thoughts, str) else list(thoughts)
    if len(given) * n == len(wishes):
        given = [each for each in given for _ in range(n)]
    if len(given) != len(wishes):
        prompts, pictures = len(wishes) // n, f", or for each of {len(wishes)} pictures" if n > 1 else ""
        raise RequestError(f"{len(given)} thoughts for {prompts} {called}s; give one for all, for each{pictures}")
    pairs = zip(wishes, given, strict=True)
    return [Request(words_of(wish), shown_in(wish), Thought(text)) for wish, text in pairs]


def _one_each(given: Any, wishes: Sequence[Wish], called: str, name: str) -> list[Any]:
    """Repeat what is one for all wishes, or see that there is one for each."""
    each = [given] * len(wishes) if isinstance(given, str | int) else list(given)
    if len(each) != len(wishes):
        raise RequestError(f"{len(each)} {name} for {len(wishes)} {called}s; give one for all, or one for each")
    return each


def _refuse_blank(texts: Sequence[str], why: str) -> None:
    if any(not each.strip() for each in texts):
        raise RequestError(why)
