"""What image tokenizers share: a codebook, the code nearest to a vector, and how evenly codes are used."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from attrs import frozen
from torch import Generator, Tensor, nn

from diptych.precision import at_least_float32, without_autocast


_SCORES = 2**24
"""Scores of vectors against codes that are held at a time."""


@frozen(eq=False)
class CodeUsage:
    """How codes are used in some images.

    Attributes:
        counts: `[v]`, how often each code occurs.
        used: share of the codes that occur at all, in [0, 1].
        perplexity: exp of the entropy of the counts, in [1, v]: how many codes would do if all were used alike.
    """

    counts: Tensor
    used: float
    perplexity: float


class ImageTokenizerModule(nn.Module):
    """Pixels <-> ids `[b n]` of codes; subclasses say how vectors are made and what is made of them."""

    vocabulary: int
    normalised: bool

    @abstractmethod
    def vectors(self, pixels: Tensor) -> Tensor:
        """Encode images `[b 3 h w]` to the vectors `[b n d]` for which codes are looked for, row-major."""

    @abstractmethod
    def codebook(self) -> Tensor:
        """Return the code vectors `[v d]`, of length 1 if directions are compared."""

    @abstractmethod
    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """Make of code vectors `[b n d]` what `decode` makes of their ids."""

    def encode(self, pixels: Tensor) -> Tensor:
        """Tokenize images.

        Args:
            pixels: `[b 3 h w]`, normalised as the spec's `preprocess` says.

        Returns:
            Ids `[b n]`, int64, row-major; the lowest of equally near ones.
        """
        return nearest_codes(self.vectors(pixels), self.codebook(), cosine=self.normalised)

    def look_up(self, ids: Tensor) -> Tensor:
        """Return the code vectors `[... d]` of ids `[...]`.

        Raises:
            ValueError: if an id is none of the vocabulary's.
        """
        if not torch.compiler.is_compiling() and not ids.is_meta and ids.numel():
            low, high = int(ids.min()), int(ids.max())
            if low < 0 or high >= self.vocabulary:
                wrong = low if low < 0 else high
                raise ValueError(f"id {wrong} is no code of this tokenizer; ids are 0 to {self.vocabulary - 1}")
        return F.embedding(ids, self.codebook())

    def decode(self, ids: Tensor) -> Tensor:
        """Make of ids `[b n]` what the spec's `decoded` says: pixels, or features."""
        return self.decode_vectors(self.look_up(ids))

    @abstractmethod
    def loss(self, pixels: Tensor, generator: Generator) -> dict[str, Tensor]:
        """Compute what training minimises: the sum of the terms, each `[b]` and already weighted."""

    def straight_through(self, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantise vectors `[b n d]` for training.

        Returns:
            The codes' vectors, whose gradient goes to `vectors` as if nothing had happened (van den Oord et al. 2017,
            VQ-VAE); and mean squared distances `[b]` that pull codes to vectors, and vectors to codes.
        """
        vectors = F.normalize(vectors, dim=-1) if self.normalised else vectors
        ids = nearest_codes(vectors, self.codebook(), cosine=self.normalised)
        codes = self.look_up(ids)
        to_vectors = (codes - vectors.detach()).square().mean((1, 2))
        to_codes = (codes.detach() - vectors).square().mean((1, 2))
        return vectors + (codes - vectors).detach(), to_vectors, to_codes

    def usage(self, ids: Tensor) -> CodeUsage:
        """Count how codes are used in ids of any shape.

        Raises:
            ValueError: if there are none.
        """
        if not ids.numel():
            raise ValueError("there are no ids to count")
        counts = torch.bincount(ids.flatten(), minlength=self.vocabulary)
        shares = counts.double() / counts.sum()
        entropy = torch.special.entr(shares).sum()
        return CodeUsage(counts, float((counts > 0).double().mean()), float(entropy.exp()))


def nearest_codes(vectors: Tensor, codebook: Tensor, *, cosine: bool) -> Tensor:
    """Find the nearest code of each vector, without gradient.

    Distances are compared in float32 or higher, in a trainer's autocast too: of thousands of codes, many lie nearer to
    each other than half precision tells apart.

    Args:
        vectors: `[... d]`.
        codebook: `[v d]`; of length 1 for `cosine`.
        cosine: compare directions, otherwise Euclidean distances.

    Returns:
        Ids `[...]`, int64; the lowest of equally near ones.
    """
    codes = at_least_float32(codebook.detach())
    rows = vectors.detach().reshape(-1, vectors.shape[-1]).to(codes.dtype)
    bias = 0.0 if cosine else codes.square().sum(-1) / 2

    def best(part: Tensor) -> Tensor:
        return (bias - part @ codes.mT).argmin(-1)

    each = max(1, _SCORES // len(codes))
    whole = torch.compiler.is_compiling() or len(rows) <= each  # a traced graph is not cut up
    with without_autocast(rows):
        ids = best(rows) if whole else torch.cat([best(part) for part in rows.split(each)])
    return ids.reshape(vectors.shape[:-1])
