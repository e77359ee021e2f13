"""The two ways of the data, as plain methods: pictures and text are read, and prompts become pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from attrs import evolve
from PIL import Image
from torch import Tensor

from diptych.assembly import Assembly
from diptych.conditions.readout import Readout, read
from diptych.data.preprocess import to_pixels
from diptych.data.sample import Picture, Request, Wish, shown_in, thought_of, words_of
from diptych.decoding import thoughts_about
from diptych.errors import RequestError
from diptych.importing.origin import Origin
from diptych.painted_space import painted_space
from diptych.prompt import Encoded, PromptBuilder
from diptych.seeds import generators
from diptych.sequences import Sequences
from diptych.shown import Album, Shown
from diptych.spec.abilities import must_look
from diptych.spec.model import GenerateStep, ModelSpec
from diptych.spec.paths import within
from diptych.tokenizers.text import TextTokenizer
from diptych.writing import WholeRows, states_of_written


class Ways:
    """What tasks and training are made of. See `UnifiedModel`, which has the tasks."""

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
        """Encode pixels [b 3 h w] with the vision part `name`: -> features, latents or ids [b n …].

        Raises:
            RequestError: if the checkpoint left the part out.
        """
        spec, part = self.eye(name)
        self.need("backbone" if spec.kind == "backbone" else f"vision.{name}")
        if spec.kind == "backbone":
            return part.read(pixels)
        return part(pixels) if spec.kind == "encoder" else part.encode(pixels)

    def reading_tokens(self, features: Tensor) -> Tensor:
        """Bring an encoder's features [b n c], or ids [b n], into the backbone's width: -> [b m d]."""
        self.need("understand")
        if not features.is_floating_point():
            assert self.spec.understand
            writer = self.spec.writer(self.spec.understand.encoder)
            assert writer
            self.need(f"generate.{writer.name}.head")
            return self.parts.step(writer.name)["head"].embed(features, self.parts.backbone)
        return self.parts.connector(features) if self.parts.connector is not None else features

    def states(
        self, sequences: Sequences, features: Tensor | None = None, queries: Tensor | None = None, cache: Any = None
    ) -> Tensor:
        """Run the backbone over sequences with pictures and queries merged in: -> final states [b s d].

        features [k m d] are `reading_tokens` of the pictures in the order of their spans; queries [q d].
        """
        self.need("backbone")
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

    def look(self, wishes: Sequence[Wish], album: Album | None = None) -> tuple[Shown | None, Tensor | None]:
        """Look at the pictures that wishes start from: -> them, and what the backbone reads of each [k m d].

        Each is None where there is nothing. `album` keeps what was encoded already.

        Raises:
            RequestError: if there are pictures, and nothing in the model sees them, or only a backbone whose positions
                of pictures are lost on a step that writes ids after the prompt.
        """
        shown = (album or Album.of(self, wishes)).shown(wishes)
        if shown is None:
            return None, None
        must_look(self.spec)
        if self.spec.understand is None:
            return shown, None
        writers = [step.name for step in self.spec.generate if getattr(step.head, "continues", False)]
        if writers and self.spec.understand.encoder == "backbone":
            raise RequestError(
                f"step '{writers[0]}' writes after the prompt, counting its words one by one, but this backbone's own "
                "eyes give pictures other positions; name an encoder under `vision` in `understand` to paint from them"
            )
        return shown, self.reading_tokens(shown.features(self.spec.understand.encoder))

    def conditions(
        self, sequences: Sequences, step: str, left: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read the condition of a generate step out of painting prompts: -> condition [b q d], mask [b q].

        `left` are the states [b 1+n d] that earlier steps left behind, by their names; see `written`.
        """
        return self._conditions(sequences, step, left)[:2]

    def _conditions(
        self, sequences: Sequences, step: str, left: Mapping[str, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        part = self.parts.step(step)["condition"]
        if getattr(part, "reads_prompt", True):
            states, mask = self.states(sequences, sequences.tokens, part.query_embeds()), sequences.mask
        else:
            none = (len(sequences.ids), 0, self.text_width)
            states, mask = torch.empty(none, device=self.device, dtype=self.dtype), sequences.mask[:, :0]
        readout = Readout(states, mask, sequences.queries, left or {}, sequences.shown)
        condition, mask, pictures = read(part, readout)
        if pictures is not None and not mask.any(1).all():
            raise RequestError(f"step '{step}' paints from pictures alone, and a request has none; see `edit`")
        return condition, mask, pictures

    def written(
        self, wishes: Sequence[Wish], step: str, ids: Tensor, *, learning: bool = False, album: Album | None = None
    ) -> Tensor:
        """Compute the states that a step leaves behind which wrote ids [b n] after prompts: -> [b 1+n d].

        They are those of the word before the ids and of each id. `learning` makes no difference, unless the step's
        head has the switch `last_states` of reference numerics: then they are the last of the padded row.
        """
        if learning and getattr(self.parts.step(step)["head"], "last_states", False):
            return WholeRows.of(self, wishes, step, ids, album).states(self)[:, -ids.shape[1] - 1 :]
        return states_of_written(self, self.painting(wishes, step, learning=learning, album=album), step, ids)

    def opening(self, sequences: Sequences, step: str) -> tuple[Tensor, Tensor]:
        """Embed painting prompts for a head that goes on from them itself: -> embeddings [b s d], mask [b s]."""
        embeds = self.parts.backbone.embed(sequences.ids)
        queries = self.parts.step(step)["condition"].query_embeds()
        return sequences.merge(embeds, sequences.tokens, queries), sequences.mask

    def for_head(
        self, sequences: Sequences, step: str, left: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Compute what a step's head works from: -> condition [b q d], mask [b q], and what it takes by name.

        A head that goes on from the prompt itself gets the prompt's embeddings, and the backbone to run over them. One
        that tells pictures from text gets `pictures` [b q], which tokens are theirs; one that paints beside a clean
        target gets that of the one picture a request starts from, `clean` [b n c].

        Raises:
            RequestError: if such a head has not one picture a request.
        """
        head: Any = self.spec.step(step).head
        if getattr(head, "continues", False):
            return *self.opening(sequences, step), {"backbone": self.parts.backbone}
        condition, mask, pictures = self._conditions(sequences, step, left)
        own: dict[str, Any] = {}
        if pictures is not None and getattr(head, "takes_pictures", False):
            own["pictures"] = pictures
        if getattr(head, "clean_latent", None):
            own["clean"] = self._clean(sequences, step)
        return condition, mask, own

    def _clean(self, sequences: Sequences, step: str) -> Tensor:
        counts = sequences.shown.counts if sequences.shown else (0,)
        if sequences.shown is None or set(counts) != {1}:
            wrong = next(each for each in counts if each != 1)
            raise RequestError(
                f"step '{step}' paints beside the one picture that is changed (`clean_latent`), but a request has "
                f"{wrong or 'none'}; give `edit` exactly one for each instruction"
            )
        return self.normalise(step, sequences.shown.features(self.spec.step(step).target)).detach()

    def considered(self, wishes: Sequence[Wish], seeds: Sequence[int], album: Album | None = None) -> list[Wish]:
        """Think about each wish that nothing was thought about yet, if the spec says so: -> wishes with thoughts."""
        bare = [place for place, wish in enumerate(wishes) if thought_of(wish) is None]
        found = list(wishes)
        if self.spec.think is None or not bare:
            return found
        self.need("backbone", "text")
        asked, own = [wishes[place] for place in bare], [seeds[place] for place in bare]
        for place, thought in zip(bare, thoughts_about(self, asked, own, self.spec.think, album), strict=True):
            found[place] = Request(words_of(wishes[place]), shown_in(wishes[place]), thought)
        return found

    def painting(
        self, wishes: Sequence[Wish], step: str, *, learning: bool = False, album: Album | None = None
    ) -> Sequences:
        """Encode wishes for a generate step, placeholders for its queries included; see `look`."""
        queries = getattr(self.spec.step(step).condition, "queries", 0)
        shown, tokens = self.look(wishes, album)
        length = None if tokens is None else tokens.shape[1]
        encoded = [self.prompts.painting(wish, queries, image_tokens=length, learning=learning) for wish in wishes]
        return evolve(self.sequences(encoded), shown=shown, tokens=tokens)

    def targets(self, step: str, pixels: Tensor) -> Tensor:
        """Compute what the head of a step should make, in its own units: pixels [b 3 h w] -> [b n c]."""
        return self.normalise(step, self.encode(self.spec.step(step).target, pixels))

    def normalise(self, step: str, target: Tensor) -> Tensor:
        """Bring a target [b n c] into the units of a step's head."""
        parts = self.parts.step(step)
        return parts["normalise"](target) if "normalise" in parts else target

    def features(self, wishes: Sequence[Wish], seeds: Sequence[int], negatives: Sequence[str] | None = None) -> Tensor:
        """Sample the target that is decoded, in the vision part's own units: -> [b n c], or ids [b n].

        A model that thinks before it paints does so first. Negative prompts, one a wish, stand in the place of the null
        condition in every step that reads prompts and has guidance; for an edit, beside the pictures that it starts
        from, and before the ids that earlier steps wrote. Nothing is thought about them.

        Raises:
            RequestError: if there are negative prompts, and no step that reads prompts has guidance; if the model
                cannot paint from as many pictures as a wish has.
        """
        if negatives and not any(map(self._takes_negatives, self.spec.generate)):
            raise RequestError("negative prompts act through guidance, and no step that reads prompts has any here")
        album, many = Album.of(self, wishes), len(wishes)
        wishes = self.considered(wishes, seeds, album)
        away = [_instead(wish, no) for wish, no in zip(wishes, negatives or (), strict=False)]
        made: dict[str, Tensor] = {}
        wanted = (self.spec.painted or self.spec.generate[-1]).name
        for step in self.spec.generate:
            parts = self.parts.step(step.name)
            texts = [*wishes, *away] if self._takes_negatives(step) else wishes
            read = {name: made[name].repeat(len(texts) // many, 1) for name in getattr(step.condition, "steps", ())}
            left = {name: self.written(texts, name, ids, album=album) for name, ids in read.items()}
            condition, mask, own = self.for_head(self.painting(texts, step.name, album=album), step.name, left)
            own = {name: each[:many] if isinstance(each, Tensor) else each for name, each in own.items()}
            if len(texts) > many:
                own["null"] = condition[many:], mask[many:]
            sampler = step.sampler.build() if step.sampler else None
            guidance = step.guidance.build() if step.guidance else None
            out = parts["head"].sample(condition[:many], mask[:many], generators(seeds), sampler, guidance, **own)
            made[step.name] = parts["normalise"].inverse(out) if "normalise" in parts else out
            if step.name == wanted:
                break
        return made[wanted]

    def _takes_negatives(self, step: GenerateStep) -> bool:
        reads = getattr(self.parts.step(step.name)["condition"], "reads_prompt", True)
        return reads and step.guidance is not None

    def to_pixels(self, features: Tensor, seeds: Sequence[int]) -> Tensor:
        """Decode features [b n c], or ids [b n], to pixels [b 3 h w] in [-1, 1].

        Raises:
            RequestError: if the checkpoint left out what decodes.
        """
        if features.is_floating_point():
            features = features.to(self.dtype)  # samplers give at least float32, whatever the weights are
        self.need("decode" if self.parts.decoder is not None else f"vision.{self.spec.decoded}")
        if self.parts.decoder is not None:
            if getattr(self.parts.decoder, "lacks_null", False):
                self.show_black()
            return self.parts.decoder(features, generators(seeds))
        part: Any = self.parts.vision[self.spec.decoded]
        return part.decode(features)

    def show_black(self) -> None:
        """Show the decoder the features of a black picture, or of a space painted, if it has a use for them."""
        if getattr(self.parts.decoder, "null_of", None) == "painted-space":
            self.need("generate")
            self.parts.decoder.fit_null(painted_space(self))
        elif hasattr(self.parts.decoder, "fit_null"):
            black = self.pixels(self.spec.decoded, [Image.new("RGB", (64, 64))])
            self.parts.decoder.fit_null(self.encode(self.spec.decoded, black)[0])

    def need(self, *slots: str) -> None:
        """Refuse a task that needs slots of which the checkpoint left anything out: its weights are not the model's.

        Raises:
            RequestError: naming what was left out, and why.
        """
        for path, why in self.left_out.items():
            for slot in slots:
                if within(path, slot) or within(slot, path):
                    raise RequestError(f"this checkpoint left out `{path}` ({why}), and this task needs `{slot}`")


def _instead(wish: Wish, text: str) -> Wish:
    """Say something else about the same pictures, and think nothing."""
    return Request(text, shown_in(wish)) if shown_in(wish) else text
