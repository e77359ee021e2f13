"""The loop that people write around diffusers' Lumina-Next: each step computes everything."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from diptych_heads.networks.lumina_next import LuminaNextNetwork
from diptych_heads.networks.specs import LuminaNext


def plain_model(spec: LuminaNext, network: LuminaNextNetwork) -> nn.Module:
    """Build diffusers' `LuminaNextDiT2DModel` with the weights of one of our networks.

    diffusers has no projection of the condition; its captions are what ours projects to. Its rule
    for the feed-forward's width is met by a multiplier that is not rounded.

    Args:
        spec: the network's, all sizes known.
        network: what it built.

    Raises:
        ImportError: if diffusers is not installed.
    """
    from diffusers import LuminaNextDiT2DModel

    model: Any = LuminaNextDiT2DModel(
        sample_size=spec.width,
        patch_size=spec.patch_size,
        in_channels=spec.channels,
        hidden_size=spec.hidden_width,
        num_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_kv_heads=spec.kv_heads or spec.heads,
        multiple_of=1,
        ffn_dim_multiplier=(spec.inner_width + 0.5) / int(8 * spec.hidden_width / 3),
        norm_eps=spec.norm_eps,
        learn_sigma=False,
        qk_norm=spec.qk_norm,
        cross_attention_dim=spec.hidden_width,
    )
    own = {
        name: value
        for name, value in network.state_dict().items()
        if not name.startswith("caption_projection.")
    }
    wrong = model.load_state_dict({"pad_token": torch.zeros(spec.hidden_width), **own})
    assert not wrong.missing_keys
    return model.to(next(network.parameters())).eval()


@torch.no_grad()
def plain_loop(
    model: Any, caption: Tensor, null: Tensor, noise: Tensor, steps: int, scale: float
) -> Tensor:
    """Sample by Euler steps and classifier-free guidance, as BLIP3-o's pipeline does.

    Args:
        model: what `plain_model` built, perhaps compiled.
        caption: the projected condition `b q width`.
        null: the projected null condition `b q width`.
        noise: `b channels h w`.
        steps: number of steps.
        scale: of the guidance.

    Returns:
        `b channels h w`.
    """
    from diffusers.models.embeddings import get_2d_rotary_pos_embed_lumina

    head_width = caption.shape[-1] // model.config.num_attention_heads
    rope = get_2d_rotary_pos_embed_lumina(head_width, 384, 384)
    captions = torch.cat([null, caption])
    mask = torch.ones(captions.shape[:2])
    sigmas = [*torch.linspace(1, 1 / steps, steps).tolist(), 0.0]
    x = noise
    for now, then in pairwise(sigmas):
        velocity = model(
            torch.cat([x, x]),
            torch.full((len(captions),), 1000 * now),
            captions,
            mask,
            rope,
            cross_attention_kwargs={},
            return_dict=False,
        )[0]
        without, conditional = velocity.chunk(2)
        x = x + (then - now) * (without + scale * (conditional - without))
    return x
