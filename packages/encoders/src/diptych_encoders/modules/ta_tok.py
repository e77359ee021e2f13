"""The text-aligned tokenizer: SigLIP 2's features, a SimVQ bottleneck, and a decoder back to features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Generator, Tensor, nn

from diptych.errors import CheckpointError
from diptych_encoders.modules.foreign_files import read_foreign
from diptych_encoders.modules.image_tokenizer import ImageTokenizerModule
from diptych_encoders.modules.pretrained import copy_weights
from diptych_encoders.modules.siglip import build_siglip
from diptych_encoders.modules.simvq import SimVqBottleneck
from diptych_encoders.modules.ta_tok_decoder import TaTokDecoder
from diptych_encoders.modules.vision_config import layers_left_out


if TYPE_CHECKING:
    from diptych_encoders.modules.features import VisionFeatures
    from diptych_encoders.ta_tok import TaTok

_ANCHOR = "bottleneck.regularizer.embedding.weight"


class TaTokenizer(ImageTokenizerModule):
    """Pixels -> ids whose codes stand for features that a language model understands (Han et al. 2025, Tar).

    Features of a frozen-size SigLIP 2 go through a linear map and tanh into the bottleneck; ids decode to the features
    through a small transformer over the grid.
    """

    def __init__(
        self,
        encoder: VisionFeatures,
        bottleneck: SimVqBottleneck,
        decoder: TaTokDecoder,
        *,
        vocabulary: int,
        commitment: float,
    ) -> None:
        """Put the parts together.

        Args:
            encoder: pixels -> features `[b n d]`.
            bottleneck: features -> vectors, and the codes.
            decoder: code vectors -> features.
            vocabulary: number of codes.
            commitment: weight of the commitment term.
        """
        super().__init__()
        width = decoder.width
        self.encoder, self.bottleneck, self.decoder = encoder, bottleneck, decoder
        self.encode_task_layer = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.vocabulary, self.commitment = vocabulary, commitment
        self.normalised = bottleneck.unit

    def codebook(self) -> Tensor:
        """Return the code vectors `[v d]`, projected, of length 1 if directions are compared."""
        return self.bottleneck.codebook()

    def vectors(self, pixels: Tensor) -> Tensor:
        """Encode images `[b 3 h w]` to vectors `[b (h w) d]`, row-major."""
        return self.bottleneck.in_linear(self.encode_task_layer(self.encoder(pixels)))

    def embed(self, ids: Tensor) -> Tensor:
        """Return what the bottleneck gives for ids `[b n]`: `[b n d]`, for models that take codes as their input."""
        return self.bottleneck.out_linear(self.look_up(ids))

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """Turn code vectors `[b (h w) d]` of a square grid into the encoder's features `[b (h w) width]`."""
        return self.decoder(self.bottleneck.out_linear(vectors))

    def loss(self, pixels: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Compute how far decoded features point from the encoder's, and the terms of VQ-VAE.

        The codes themselves stay as they are drawn; only their projection trains (Zhu et al. 2024, SimVQ). Nothing is
        drawn from the generator.

        Returns:
            `reconstruction` (1 - cosine), `codebook` and `commitment` `[b]`, weighted; train on the sum.
        """
        features = self.encoder(pixels)
        vectors = self.bottleneck.in_linear(self.encode_task_layer(features))
        codes, to_vectors, to_codes = self.straight_through(vectors)
        made = self.decode_vectors(codes)
        gap = (1 - F.cosine_similarity(made, features.detach(), dim=-1)).mean(1)
        return {"reconstruction": gap, "codebook": to_vectors, "commitment": self.commitment * to_codes}


def build_ta_tok(spec: TaTok) -> TaTokenizer:
    """Make the tokenizer with fresh weights: of the encoder only the layers that are quantised."""
    decoder = TaTokDecoder(
        spec.code_width,
        spec.hidden_width,
        depth=spec.decoder_depth,
        heads=spec.decoder_heads,
        mlp_width=spec.decoder_mlp_width,
        table=spec.decoder_table,
    )
    bottleneck = SimVqBottleneck(spec.hidden_width, spec.code_width, spec.vocabulary, unit=spec.unit_codes)
    encoder = build_siglip(spec.encoder())
    return TaTokenizer(encoder, bottleneck, decoder, vocabulary=spec.vocabulary, commitment=spec.commitment)


def load_ta_tok(spec: TaTok, module: TaTokenizer) -> None:
    """Fill the tokenizer with a checkpoint.

    Raises:
        CheckpointError: if the checkpoint is missing, incomplete or of other sizes; the module is then as before.
    """
    source = str(spec.weights)
    tensors = ta_tok_names(read_foreign(source), source)
    layers = [rf"encoder\.transformer\.{pattern}" for pattern in layers_left_out(spec.encoder())]
    unused = [r"scale_layer\.", r"(encoder|decoder)\.transformer\.head\.", r"encoder\.transformer\.post_layernorm\."]
    copy_weights(module, tensors, source, unused=[*unused, *layers], whole=True)


def ta_tok_names(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Bring a TA-Tok checkpoint into our layout, also from inside a larger model.

    Raises:
        CheckpointError: if there is no such tokenizer, or more than one.
    """
    prefixes = [name.removesuffix(_ANCHOR) for name in tensors if name.endswith(_ANCHOR)]
    if len(prefixes) != 1:
        places = ", ".join(f"'{each}'" for each in prefixes) or "nowhere"
        raise CheckpointError(f"weights '{source}': expected one '{_ANCHOR}' of a TA-Tok, found it {places}")
    own = {}
    for name, value in tensors.items():
        if name.startswith(prefixes[0]):
            part, _, rest = name.removeprefix(prefixes[0]).partition(".")
            if part in ("encoder", "decoder"):
                part, rest = f"{part}.transformer", rest.removeprefix("vision_model.")
            elif part == "decode_task_layer":
                part, rest = "decoder.task_layer", rest
            own[f"{part}.{rest}"] = value
    return own
