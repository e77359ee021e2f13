"""How soon does a small vision transformer from scratch know where things are? Behind `position_init`'s default.

A square of random colour lies somewhere on a white canvas; its place is regressed from the mean of the features.
About 20 seconds of one CPU core a row; an error of 1 is chance.

    python packages/encoders/scripts/compare_position_init.py
"""

from __future__ import annotations

import torch
from einops import reduce
from torch import Generator, Tensor, nn

from diptych_encoders.clip import Clip
from diptych_encoders.siglip import Siglip


SIDE, SQUARE, BATCH, STEPS = 32, 6, 32, 250


def draw(generator: Generator) -> tuple[Tensor, Tensor]:
    """Return pictures `[b 3 h w]` in [-1, 1] and the places of their squares `[b 2]`, standardised."""
    places = torch.randint(0, SIDE - SQUARE, (BATCH, 2), generator=generator)
    colours = torch.rand(BATCH, 3, 1, 1, generator=generator) * 2 - 1
    pictures = torch.ones(BATCH, 3, SIDE, SIDE)
    for picture, (x, y), colour in zip(pictures, places.tolist(), colours, strict=True):
        picture[:, y : y + SQUARE, x : x + SQUARE] = colour
    return pictures, (places - (SIDE - SQUARE - 1) / 2) / 7.5


def train(spec: Clip | Siglip, seed: int) -> list[float]:
    """Return the mean squared error at every step."""
    torch.manual_seed(seed)
    encoder, reader = spec.build(), nn.Linear(spec.width, 2)
    optimiser = torch.optim.AdamW([*encoder.parameters(), *reader.parameters()], lr=1e-3)
    generator, errors = Generator().manual_seed(seed + 5), []
    for _ in range(STEPS):
        pictures, places = draw(generator)
        guessed = reader(reduce(encoder(pictures), "b n d -> b d", "mean"))
        error = (guessed - places).square().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    return errors


def main() -> None:
    """Print the error around step 100 and at the end, for two seeds each."""
    torch.set_num_threads(1)
    for kind in (Clip, Siglip):
        for how in (0.02, 0.5, "sin-cos"):
            spec = kind(
                hidden_width=48,
                depth=3,
                heads=3,
                image_size=SIDE,
                patch_size=4,
                final_norm=True,
                position_init=how,
            )
            runs = [train(spec, seed) for seed in (0, 1)]
            early = [sum(run[80:120]) / 40 for run in runs]
            late = [sum(run[-50:]) / 50 for run in runs]
            numbers = "  ".join(f"{value:.3f}" for value in (*early, *late))
            print(f"{kind.__name__:7} {how!s:8} {numbers}", flush=True)


if __name__ == "__main__":
    main()
