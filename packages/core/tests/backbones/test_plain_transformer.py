"""`plain-transformer`: numbers that only a long text shows."""

import torch

from diptych.backbones.plain_transformer import PlainTransformerSpec


def test_far_positions_are_told_apart_in_bfloat16():
    torch.manual_seed(0)
    module = PlainTransformerSpec(width=32, layers=1, heads=2, vocabulary=16).build().to(torch.bfloat16)
    with torch.no_grad():
        for weight, by in (
            (module.embedding.weight, 50),
            (module.layers[0].qkv.weight, 4),
            (module.layers[0].out.weight, 10),
        ):
            weight.mul_(by)  # so that what attention finds is most of the outcome
        embeds, mask = module.embed(torch.randint(16, (1, 700))), torch.ones(1, 700, dtype=torch.bool)
        narrow = module(embeds, mask)[0, 600:].float()
        exact = module.float()(embeds.float(), mask)[0, 600:]
    assert (narrow - exact).abs().mean() < 0.03 * exact.abs().mean()
