"""A whole block of a Lumina head, as diptych-heads has it, and with ``fuse_``."""

from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from diptych_kernels import fuse_


SIZES = {"batch": 128, "side": 8, "width": 1792, "heads": 28, "ffn": 4864, "caption": 64}


def lumina_block(
    device: torch.device,
    dtype: torch.dtype = torch.bfloat16,
    *,
    implementation: str = "triton",
    batch: int = SIZES["batch"],
    side: int = SIZES["side"],
    width: int = SIZES["width"],
    heads: int = SIZES["heads"],
    ffn: int = SIZES["ffn"],
    caption: int = SIZES["caption"],
) -> tuple[str, dict[str, Callable[[], Tensor]], list[Tensor]]:
    """Its shape in words, its forward eager and fused, and the tensors that learn.

    Both have the same parameters, all random: gates are 0 at first.

    Raises:
        ModuleNotFoundError: If diptych-heads is not installed.
    """
    if find_spec("diptych_heads") is None:
        raise ModuleNotFoundError("diptych-heads, which has the block, is not installed")
    from diptych_heads.networks.lumina_next_block import LuminaNextBlock
    from diptych_heads.networks.positions import rope_table

    torch.manual_seed(0)
    blocks = [
        LuminaNextBlock(width, heads, heads, ffn, min(width, 1024), qk_norm=True, eps=1e-5)
        for _ in range(2)
    ]
    eager, fused = (block.to(device, dtype) for block in blocks)
    for parameter in eager.parameters():
        nn.init.normal_(parameter, std=width**-0.5)
    fused.load_state_dict(eager.state_dict())
    report = fuse_(fused, implementation=implementation)
    assert report.replaced and not report.kept, str(report)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device).to(dtype)

    x = draw(batch, side * side, width).requires_grad_()
    time = draw(batch, min(width, 1024))
    context = eager.prepare(draw(batch, caption, width))
    context = tuple(a.detach() for a in context)
    mask = torch.ones(batch, caption, dtype=torch.bool, device=device)
    rope = rope_table(side, side, width // heads, device=device)

    def forward(block: nn.Module) -> Callable[[], Tensor]:
        return lambda: block(x, time, rope, context, mask)

    shape = f"b {batch} n {side * side} d {width}"
    learned = [x, *eager.parameters(), *fused.parameters()]
    return shape, {"eager": forward(eager), "triton": forward(fused)}, learned
