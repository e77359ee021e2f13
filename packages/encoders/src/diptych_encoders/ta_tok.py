"""The spec of the text-aligned image tokenizer. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen, validators

from diptych.ports import Port
from diptych.spec.part import setting
from diptych.spec.preprocess import Preprocess
from diptych_encoders.checks import complain, whole
from diptych_encoders.image_tokenizer import ImageTokenizer
from diptych_encoders.preset_files import read_presets
from diptych_encoders.siglip2 import Siglip2


if TYPE_CHECKING:
    from diptych_encoders.modules.ta_tok import TaTokenizer


@frozen
class TaTok(ImageTokenizer):
    """Text-aligned tokenizer (TA-Tok, arXiv 2506.18898): SigLIP 2's features through a SimVQ bottleneck -> ids.

    Ids decode to the encoder's features, not to pixels. BLIP3-o-NEXT generates these ids (`preset: next`).
    """

    hidden_width: int = setting("width of the encoder's features", check=whole())
    depth: int = setting("transformer layers of the encoder, used or not", check=whole())
    heads: int = setting("attention heads of the encoder", check=whole())
    patch_size: int = setting("side of a patch, in pixels", check=whole())
    mlp_width: int = setting("width inside the encoder's MLP", check=whole())
    layer: int = setting(
        "which layer's output is quantised: 1..depth, or -2 for the one before the last",
        default=-2,
        check=validators.instance_of(int),
    )
    pool: int = setting("average the features over pool x pool squares before they are quantised", default=1)
    decoder_depth: int = setting("transformer layers of the decoder", default=3, check=whole())
    decoder_heads: int = setting("attention heads of the decoder", default=12, check=whole())
    decoder_mlp_width: int = setting("width inside the decoder's MLP", default=3072, check=whole())
    decoder_table: int = setting("side of the decoder's position table", default=16, check=whole())
    unit_codes: bool = setting("codes and vectors have length 1, so that directions are compared", default=True)
    commitment: float = setting(
        "weight, in the loss, of what keeps vectors near their codes", default=0.25, check=validators.ge(0)
    )
    weights: str | None = setting("file, folder, hub id or file of the hub with initial weights", default=None)

    @classmethod
    def presets(cls) -> Mapping[str, Mapping[str, Any]]:
        """Return the sizes of the public model."""
        return read_presets("ta_tok")

    def __attrs_post_init__(self) -> None:
        """Check the fields against each other.

        Raises:
            ValueError: naming everything that does not fit, and the nearest value that would.
        """
        self.encoder()  # says what is wrong with the sizes of the encoder
        if self.hidden_width % self.decoder_heads:
            fits = [n for n in range(1, self.hidden_width + 1) if self.hidden_width % n == 0]
            near = min(fits, key=lambda n: abs(n - self.decoder_heads))
            complain([f"decoder_heads {self.decoder_heads} do not divide hidden_width {self.hidden_width}; {near} do"])

    def encoder(self) -> Siglip2:
        """Return the spec of the encoder inside."""
        return Siglip2(
            hidden_width=self.hidden_width,
            depth=self.depth,
            heads=self.heads,
            image_size=self.image_size,
            patch_size=self.patch_size,
            mlp_width=self.mlp_width,
            layer=self.layer,
            final_norm=False,
            pool=self.pool,
        )

    @property
    def grid(self) -> int:
        """Codes along a side."""
        return self.encoder().grid

    def decoded(self) -> Port:
        """Say what `decode` gives."""
        return Port("b (grid grid) hidden_width", "the encoder's features")

    def preprocess(self) -> Preprocess:
        """Stretch to size, pixels to [-1, 1]; bicubic, as BLIP3o-NEXT does."""
        return evolve(self.encoder().preprocess(), interpolation="bicubic")

    def build(self) -> TaTokenizer:
        """Make the module with fresh weights."""
        from diptych_encoders.modules.ta_tok import build_ta_tok

        return build_ta_tok(self)

    def load_weights(self, module: Any) -> None:
        """Load a TA-Tok, alone or inside a BLIP3-o-NEXT checkpoint; see the base class."""
        from diptych_encoders.modules.ta_tok import load_ta_tok

        load_ta_tok(self, module)
