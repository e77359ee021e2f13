"""The flow-matching pair on the features of a Lumina head: 128 samples of 64 tokens of 1792."""

from typing import Any

from compile_cases.case import Case
from diptych_kernels.ops.flow_matching.kernels import (
    interpolate_kernel,
    loss_kernel,
    scale_kernel,
)
from diptych_kernels.tiling import tiling_for


TOKENS, CHANNELS = 64, 1792


def _case(name: str, kernel: Any, masked: bool) -> Case:
    """Without a mask a sample is one long token."""
    tiling = tiling_for(TOKENS, CHANNELS) if masked else tiling_for(1, TOKENS * CHANNELS)
    strides = (TOKENS * CHANNELS, tiling.channels, 1)
    numbers: dict[str, object] = {
        "tiles": tiling.tiles, "channel_tiles": tiling.channel_tiles,
        "tokens": tiling.tokens, "channels": tiling.channels,
        "TOKENS": tiling.token_block, "CHANNELS": tiling.channel_block,
        "t_b": 1, "mask_b": TOKENS if masked else 0, "mask_n": int(masked),
    }  # fmt: skip
    for tensor in ("prediction", "x", "noise", "a"):
        numbers |= {f"{tensor}_{axis}": s for axis, s in zip("bnc", strides, strict=True)}

    def pointers(dtype: str) -> dict[str, str]:
        types = dict.fromkeys(("PREDICTION", "X", "NOISE", "ERROR", "A", "OUT"), dtype)
        types |= dict.fromkeys(("T", "SUMS", "FACTOR"), "fp32")
        return types | {"MASK": "i1" if masked else "none", "SECOND": "none"}

    flags = "masked" if masked else ""
    return Case(kernel, name, f"n {TOKENS} c {CHANNELS}", flags, pointers, numbers, tiling.warps)


CASES = (
    _case("interpolate", interpolate_kernel, masked=False),
    _case("loss", loss_kernel, masked=False),
    _case("loss", loss_kernel, masked=True),
    _case("backward", scale_kernel, masked=False),
)
