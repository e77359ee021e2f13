"""``swiglu`` in a Lumina head (64 tokens of 4864) and in a 7 B language model (of 18944)."""

from typing import Any

from compile_cases.case import Case
from diptych_kernels.ops.swiglu.kernels import backward_kernel, forward_kernel
from diptych_kernels.tiling import tiling_for


TOKENS = 64


def _case(name: str, kernel: Any, model: str, width: int, packed: bool) -> Case:
    """``packed``: gate and up are halves of one projection, and so not contiguous."""
    tiling = tiling_for(TOKENS, width) if packed else tiling_for(1, TOKENS * width)
    numbers: dict[str, object] = {
        "tiles": tiling.tiles, "channel_tiles": tiling.channel_tiles,
        "tokens": tiling.tokens, "channels": tiling.channels,
        "TOKENS": tiling.token_block, "CHANNELS": tiling.channel_block,
    }  # fmt: skip
    for tensor in ("grad", "gate", "up"):
        row = 2 * width if packed and tensor != "grad" else tiling.channels
        strides = (TOKENS * row if packed else row, row, 1)
        numbers |= {f"{tensor}_{axis}": s for axis, s in zip("bnf", strides, strict=True)}

    def pointers(dtype: str) -> dict[str, str]:
        return dict.fromkeys(("GATE", "UP", "OUT", "GRAD", "GRAD_GATE", "GRAD_UP"), dtype)

    flags = f"{model} {'packed' if packed else 'apart'}"
    return Case(kernel, name, f"f {width}", flags, pointers, numbers, tiling.warps)


CASES = tuple(
    _case(name, kernel, *model)
    for name, kernel in (("forward", forward_kernel), ("backward", backward_kernel))
    for model in (("lumina", 4864, False), ("llm", 18944, True))
)
