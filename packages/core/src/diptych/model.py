"""The unified model: the two ways of the data, as plain methods, and the tasks people ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor

from diptych.assembly import Assembly
from diptych.conditions.readout import Readout
from diptych.data.preprocess import to_pictures, to_pixels
from diptych.data.sample import Picture, Turn
from diptych.errors import RequestError
from diptych.importing.origin import Origin
from diptych.prompt import Encoded, PromptBuilder
from diptych.seeds import generators
from diptych.sequences import Sequences
from diptych.spec.model import GenerateStep, ModelSpec
from diptych.tokenizers.text import TextTokenizer
from diptych.writing import WholeRows, states_of_written


class UnifiedModel:
    """Reads pictures and text, answers in text, and paints pictures.

    Everything is batched; sequences are padded on the left and masked; a seed belongs to a sample.

    Attributes:
        spec: the resolved model spec.
        parts: the modules, by the paths of their slots.
        words: the tokenizer; None in a model without text.
        left_out: slots whose weights a checkpoint did not hold, with the reason.
        origin: what an imported checkpoint keeps of where it came from, or None.
    """

    def __init__(self, spec: ModelSpec, parts: Assembly, tokenizer: TextTokenizer | None) -> None:
        """Join a resolved spec, its modules and its tokenizer, if it has text."""
        self.spec, self.parts, self.words = spec, parts, tokenizer
        self._prompts = PromptBuilder(spec.prompt, tokenizer) if tokenizer else None
        if self._prompts:
            self._prompts.check_ids()
        self.left_out: dict[str, str] = {}
        self.origin: Origin | None = None

    @property
    def prompts(self) -> PromptBuilder:
        """Conversations -> ids.

        Raises:
            RequestError: if the model has no text.
        """
        if self._prompts is None:
            raise RequestError(f"'{self.spec.name}' has no text: its spec has no `backbone` and `tokenizer`")
        return self._prompts

    @property
    def tokenizer(self) -> TextTokenizer:
        """Text <-> ids; refused as `prompts` is."""
        return self.prompts.tokenizer

    @property
    def text_width(self) -> int:
        """Width of the backbone's states; refused as `prompts` is."""
        assert self.prompts
        backbone: Any = self.spec.backbone
        return backbone.width

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parts.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the weights."""
        return next(self.parts.parameters()).dtype

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        """Move and convert all weights."""
        self.parts.to(device=device, dtype=dtype)
        return self

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

    # -- reading ---------------------------------------------------------------------------------------------------

    def eye(self, name: str) -> tuple[Any, Any]:
        """Return spec and module of the vision part `name`, or of the backbone where it reads pictures itself."""
        if name == "backbone" and name not in self.spec.vision:
            return self.spec.backbone, self.parts.backbone
        return self.spec.vision[name], self.parts.vision[name]

    def pixels(self, name: str, pictures: Sequence[Picture]) -> Tensor:
        """Preprocess pictures for the vision part `name`: -> [b 3 h w]."""
        how = self.eye(name)[0].preprocess()
        return to_pixels(pictures, how).to(device=self.device, dtype=self.dtype)

    def encode(self, name: str, pixels: Tensor) -> Tensor:
        """Encode pixels [b 3 h w] with the vision part `name`: -> features, latents or ids [b n …]."""
        spec, part = self.eye(name)
        if spec.kind == "backbone":
            return part.read(pixels)
        return part(pixels) if spec.kind == "encoder" else part.encode(pixels)

    def reading_tokens(self, features: Tensor) -> Tensor:
        """Bring an encoder's features [b n c] into the backbone's width: -> [b m d]."""
        return self.parts.connector(features) if self.parts.connector is not None else features

    def states(
        self, sequences: Sequences, features: Tensor | None = None, queries: Tensor | None = None, cache: Any = None
    ) -> Tensor:
        """Run the backbone over sequences with pictures and queries merged in: -> final states [b s d].

        features [k m d] are `reading_tokens` of the pictures in the order of their spans; queries [q d].
        """
        embeds = sequences.merge(self.parts.backbone.embed(sequences.ids), features, queries)
        if features is not None and self.spec.understand and self.spec.understand.encoder == "backbone":
            return self.parts.backbone(embeds, sequences.mask, cache, images=sequences.images)
        return self.parts.backbone(embeds, sequences.mask, cache)

    def sequences(self, encoded: Sequence[Encoded]) -> Sequences:
        """Pad encoded sequences into a batch on the model's device.

        Raises:
            RequestError: if one is longer than the backbone reads.
        """
        longest = max((len(each.ids) for each in encoded), default=0)
        most: int = getattr(self.spec.backbone, "max_length", longest)
        if longest > most:
            raise RequestError(f"the text takes {longest} tokens, but this backbone reads at most {most}; shorten it")
        return Sequences.of(encoded, 0, self.device)

    # -- painting --------------------------------------------------------------------------------------------------

    def conditions(
        self, sequences: Sequences, step: str, left: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read the condition of a generate step out of painting prompts: -> condition [b q d], mask [b q].

        `left` are the states [b 1+n d] that earlier steps left behind, by their names; see `written`.
        """
        part = self.parts.step(step)["condition"]
        if getattr(part, "reads_prompt", True):
            states, mask = self.states(sequences, queries=part.query_embeds()), sequences.mask
        else:
            states, mask = torch.empty(len(sequences.ids), 0, self.text_width), sequences.mask[:, :0]
        return part(Readout(states.to(self.device), mask, sequences.queries, left or {}))

    def written(self, prompts: Sequence[str], step: str, ids: Tensor, *, learning: bool = False) -> Tensor:
        """Compute the states that a step leaves behind which wrote ids [b n] after prompts: -> [b 1+n d].

        They are those of the word before the ids and of each id. `learning` makes no difference, unless the step's
        head has the switch `last_states` of reference numerics: then they are the last of the padded row.
        """
        if learning and getattr(self.parts.step(step)["head"], "last_states", False):
            return WholeRows.of(self, prompts, step, ids).states(self)[:, -ids.shape[1] - 1 :]
        return states_of_written(self, self.painting(prompts, step, learning=learning), step, ids)

    def opening(self, sequences: Sequences, step: str) -> tuple[Tensor, Tensor]:
        """Embed painting prompts for a head that goes on from them itself: -> embeddings [b s d], mask [b s]."""
        embeds = self.parts.backbone.embed(sequences.ids)
        return sequences.merge(embeds, None, self.parts.step(step)["condition"].query_embeds()), sequences.mask

    def for_head(
        self, sequences: Sequences, step: str, left: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Compute what a step's head works from: -> condition [b q d], mask [b q], and what it takes by name.

        A head that goes on from the prompt itself gets the prompt's embeddings, and the backbone to run over them.
        """
        if getattr(self.spec.step(step).head, "continues", False):
            return *self.opening(sequences, step), {"backbone": self.parts.backbone}
        return *self.conditions(sequences, step, left), {}

    def painting(self, prompts: Sequence[str], step: str, *, learning: bool = False) -> Sequences:
        """Encode prompts for a generate step, placeholders for its queries included."""
        queries = getattr(self.spec.step(step).condition, "queries", 0)
        return self.sequences([self.prompts.painting(prompt, queries, learning=learning) for prompt in prompts])

    def targets(self, step: str, pixels: Tensor) -> Tensor:
        """Compute what the head of a step should make, in its own units: pixels [b 3 h w] -> [b n c]."""
        return self.normalise(step, self.encode(self.spec.step(step).target, pixels))

    def normalise(self, step: str, target: Tensor) -> Tensor:
        """Bring a target [b n c] into the units of a step's head."""
        parts = self.parts.step(step)
        return parts["normalise"](target) if "normalise" in parts else target

    def features(self, prompts: Sequence[str], seeds: Sequence[int], negatives: Sequence[str] | None = None) -> Tensor:
        """Sample the target that is decoded, in the vision part's own units: -> [b n c], or ids [b n].

        Negative prompts, one a prompt, stand in the place of the null condition in every step that reads prompts and
        has guidance.

        Raises:
            RequestError: if there are negative prompts, and no step has guidance.
        """
        if negatives and not any(map(self._takes_negatives, self.spec.generate)):
            raise RequestError("negative prompts act through guidance, and no step of this model has any")
        made: dict[str, Tensor] = {}
        left: dict[str, Tensor] = {}
        wanted = (self.spec.painted or self.spec.generate[-1]).name
        for step in self.spec.generate:
            parts, many = self.parts.step(step.name), len(prompts)
            texts = [*prompts, *negatives] if negatives and self._takes_negatives(step) else prompts
            condition, mask, own = self.for_head(self.painting(texts, step.name), step.name, left)
            if len(texts) > many:
                own["null"] = condition[many:], mask[many:]
            sampler = step.sampler.build() if step.sampler else None
            guidance = step.guidance.build() if step.guidance else None
            out = parts["head"].sample(condition[:many], mask[:many], generators(seeds), sampler, guidance, **own)
            made[step.name] = parts["normalise"].inverse(out) if "normalise" in parts else out
            if step.name == wanted:
                break
            if any(step.name in getattr(each.condition, "steps", ()) for each in self.spec.generate):
                left[step.name] = self.written(prompts, step.name, out)
        return made[wanted]

    def _takes_negatives(self, step: GenerateStep) -> bool:
        reads = getattr(self.parts.step(step.name)["condition"], "reads_prompt", True)
        return reads and step.guidance is not None

    def to_pixels(self, features: Tensor, seeds: Sequence[int]) -> Tensor:
        """Decode features [b n c] to pixels [b 3 h w] in [-1, 1]."""
        if self.parts.decoder is not None:
            if getattr(self.parts.decoder, "lacks_null", False):
                self.show_black()
            return self.parts.decoder(features, generators(seeds))
        part: Any = self.parts.vision[self.spec.decoded]
        return part.decode(features)

    def show_black(self) -> None:
        """Show the decoder the features of a black picture, if it has a use for them (`fit_null`)."""
        if hasattr(self.parts.decoder, "fit_null"):
            self._need(f"vision.{self.spec.decoded}")
            black = self.pixels(self.spec.decoded, [Image.new("RGB", (64, 64))])
            self.parts.decoder.fit_null(self.encode(self.spec.decoded, black)[0])

    # -- tasks -----------------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def ask(self, picture: Picture, question: str | Sequence[str], *, max_tokens: int = 64) -> str | list[str]:
        """Answer a question about a picture, or several questions about the same one."""
        questions = [question] if isinstance(question, str) else list(question)
        answers = self.chat([[Turn("user", (picture, each))] for each in questions], max_tokens=max_tokens)
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
        batch: int = 16,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Image.Image]:
        """Paint `n` pictures a prompt: -> pictures, the first prompt's first.

        Picture j of a prompt is a function of its prompts and of seed + j alone, whatever else is in the batch. `seed`
        is one for all prompts, or one for each; so is `negative`, what guidance leads away from.

        Raises:
            RequestError: if the model does not paint, a prompt is empty, n < 1, seeds or negative prompts and prompts
                differ in number, or there are negative prompts and no guidance.
        """
        wanted = [prompts] if isinstance(prompts, str) else list(prompts)
        if n < 1:
            raise RequestError(f"n is {n}, but at least 1 picture a prompt can be painted")
        if not self.spec.painted:
            raise RequestError(f"'{self.spec.name}' does not paint: its spec has no `generate` and `decode`")
        self._need("generate")
        first = [seed] * len(wanted) if isinstance(seed, int) else list(seed)
        if len(first) != len(wanted):
            raise RequestError(f"{len(first)} seeds for {len(wanted)} prompts; give one for all, or one for each")
        away = [negative] * len(wanted) if negative is None or isinstance(negative, str) else list(negative)
        if len(away) != len(wanted):
            raise RequestError(f"{len(away)} negative prompts for {len(wanted)} prompts; give one for all, or one each")
        if any(each is not None and not each.strip() for each in away):
            raise RequestError("a negative prompt is empty; leave it out, or say what to lead away from")
        rows = zip(wanted, away, first, strict=True)
        jobs = [(prompt, no, own + j) for prompt, no, own in rows for j in range(n)]
        pictures: list[Image.Image] = []
        for start in range(0, len(jobs), batch):
            own_prompts, no, seeds = zip(*jobs[start : start + batch], strict=True)
            pixels = self.to_pixels(self.features(own_prompts, seeds, no if negative is not None else None), seeds)
            pictures += to_pictures(pixels)
            if progress:
                progress(len(pictures), len(jobs))
        return pictures

    @torch.inference_mode()
    def reconstruct(self, pictures: Sequence[Picture], *, seed: int = 0) -> list[Image.Image]:
        """Encode pictures as what is decoded, and decode them again: the ceiling of painting."""
        if not self.spec.decode:
            raise RequestError(f"'{self.spec.name}' cannot reconstruct: its spec has no `decode`")
        target = self.spec.decoded
        self._need("decode", f"vision.{target}")
        features = self.encode(target, self.pixels(target, pictures))
        return to_pictures(self.to_pixels(features, [seed] * len(pictures)))

    def _need_text(self, pictures: bool) -> None:
        if self.spec.text is None:
            raise RequestError(f"'{self.spec.name}' does not answer: its spec has no `text` head")
        if pictures and self.spec.understand is None:
            raise RequestError(f"'{self.spec.name}' does not read pictures: its spec has no `understand`")
        self._need("understand")

    def _need(self, *slots: str) -> None:
        for path, why in self.left_out.items():
            if path.startswith(slots):
                raise RequestError(f"this checkpoint left out `{path}` ({why}), which this task needs")
