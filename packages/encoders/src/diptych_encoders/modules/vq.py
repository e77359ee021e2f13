"""The vector-quantised tokenizer of LlamaGen and Janus, from the transformers library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from einops import rearrange
from torch import Generator, Tensor, nn
from transformers.models.janus.configuration_janus import JanusVQVAEConfig
from transformers.models.janus.modeling_janus import JanusVQVAE

from diptych.errors import CheckpointError
from diptych_encoders.modules.features import check_size
from diptych_encoders.modules.foreign_files import read_foreign
from diptych_encoders.modules.image_tokenizer import ImageTokenizerModule
from diptych_encoders.modules.pretrained import copy_weights


if TYPE_CHECKING:
    from diptych_encoders.vq import Vq

_ANCHOR = "quantize.embedding.weight"
# LlamaGen's names (also those of Janus's first release) -> transformers'
_RENAMES = (
    (r"^encoder\.conv_blocks\.(\d+)\.res\.", r"encoder.down.\1.block."),
    (r"^encoder\.conv_blocks\.", "encoder.down."),
    (r"^decoder\.conv_blocks\.(\d+)\.res\.", r"decoder.up.\1.block."),
    (r"^decoder\.conv_blocks\.", "decoder.up."),
    (r"^(encoder|decoder)\.mid\.0\.", r"\1.mid.block_1."),
    (r"^(encoder|decoder)\.mid\.1\.", r"\1.mid.attn_1."),
    (r"^(encoder|decoder)\.mid\.2\.", r"\1.mid.block_2."),
)


class VqTokenizer(ImageTokenizerModule):
    """Convolutions down to a grid of vectors, their nearest codes, and convolutions up again.

    The library's own `encode` compares with codes of any length and its `decode` uses those of length 1; for the
    published codebook, trained with both of length 1, the two ways agree where that is so. Here it is always so.
    """

    def __init__(self, model: nn.Module, *, image_size: int, vocabulary: int, cosine: bool, commitment: float) -> None:
        """Wrap the official model.

        Args:
            model: the autoencoder; its own quantizer only holds the codes.
            image_size: pixels along a side.
            vocabulary: number of codes.
            cosine: compare directions; codes then have length 1.
            commitment: weight of the commitment term.
        """
        super().__init__()
        self.model = model
        self.image_size, self.vocabulary = image_size, vocabulary
        self.normalised, self.commitment = cosine, commitment

    def codebook(self) -> Tensor:
        """Return the code vectors `[v d]`."""
        model: Any = self.model
        codes = model.quantize.embedding.weight
        return F.normalize(codes, dim=-1) if self.normalised else codes

    def vectors(self, pixels: Tensor) -> Tensor:
        """Encode images `[b 3 h w]` to `[b (h w) d]`.

        Raises:
            ValueError: if the images are not of the spec's size.
        """
        model: Any = self.model
        check_size(pixels, self.image_size)
        return rearrange(model.quant_conv(model.encoder(pixels)), "b d h w -> b (h w) d")

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """Paint code vectors `[b (h w) d]` of a square grid: -> `[b 3 h w]` in [-1, 1].

        Raises:
            ValueError: if the grid is not square.
        """
        return self._paint(vectors).clamp(-1, 1)

    def loss(self, pixels: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Compute reconstruction, and the two terms that bring codes and latents together (VQ-VAE, eq. 3).

        LlamaGen adds perceptual and adversarial terms. Nothing is drawn from the generator.

        Returns:
            `reconstruction`, `codebook` and `commitment` `[b]`, weighted; train on the sum.
        """
        codes, to_vectors, to_codes = self.straight_through(self.vectors(pixels))
        gap = (self._paint(codes) - pixels).abs().mean((1, 2, 3))
        return {"reconstruction": gap, "codebook": to_vectors, "commitment": self.commitment * to_codes}

    def _paint(self, vectors: Tensor) -> Tensor:
        model: Any = self.model
        side = round(vectors.shape[1] ** 0.5)
        if side * side != vectors.shape[1]:
            raise ValueError(f"{vectors.shape[1]} codes are no square grid")
        return model.decoder(model.post_quant_conv(rearrange(vectors, "b (h w) d -> b d h w", h=side)))


def build_vq(spec: Vq) -> VqTokenizer:
    """Make the tokenizer with fresh weights; codes start with directions drawn evenly."""
    config = JanusVQVAEConfig(
        embed_dim=spec.code_width,
        num_embeddings=spec.vocabulary,
        latent_channels=spec.latent_width,
        base_channels=spec.widths[0],
        channel_multiplier=tuple(width // spec.widths[0] for width in spec.widths),
        num_res_blocks=spec.blocks,
        num_patches=spec.grid,
    )
    model: Any = JanusVQVAE(config)
    nn.init.normal_(model.quantize.embedding.weight, std=spec.code_width**-0.5)
    return VqTokenizer(
        model,
        image_size=spec.image_size,
        vocabulary=spec.vocabulary,
        cosine=spec.nearest == "cosine",
        commitment=spec.commitment,
    )


def load_vq(spec: Vq, module: VqTokenizer) -> None:
    """Fill the tokenizer with a checkpoint.

    Raises:
        CheckpointError: if the checkpoint is missing, incomplete or of other sizes; the module is then as before.
    """
    source = str(spec.weights)
    tensors = vq_names(read_foreign(source), source)
    copy_weights(module.model, tensors, source, unused=[r"quantize\.codebook_used$"], whole=True)


def vq_names(tensors: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Bring a checkpoint into transformers' layout, from LlamaGen's or from inside a larger model.

    Raises:
        CheckpointError: if there is no such tokenizer, or more than one.
    """
    prefixes = [name.removesuffix(_ANCHOR) for name in tensors if name.endswith(_ANCHOR)]
    if len(prefixes) != 1:
        places = ", ".join(f"'{each}'" for each in prefixes) or "nowhere"
        raise CheckpointError(f"weights '{source}': expected one '{_ANCHOR}' of a VQ tokenizer, found it {places}")
    own = {}
    for name, value in tensors.items():
        if name.startswith(prefixes[0]):
            ours = name.removeprefix(prefixes[0])
            for pattern, replacement in _RENAMES:
                ours = re.sub(pattern, replacement, ours)
            own[ours] = value
    return own
