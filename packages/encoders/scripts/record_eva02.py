"""Records what timm's EVA-02 towers do: `python scripts/record_eva02.py tests/data`.

timm (Apache-2.0) is needed only here, never to use or test the package. The towers are tiny and random, built with the
options of `eva02_large_patch14_clip_224` (with a grid other than that of pre-training, as at 336 pixels) and
`eva02_enormous_patch14_clip_224`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from timm.models.eva import Eva


SHARED = {"img_size": 48, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4, "num_classes": 5}
GATED = {
    "mlp_ratio": 2.6667,
    "qkv_fused": False,
    "swiglu_mlp": True,
    "scale_mlp": True,
    "scale_attn_inner": True,
    "use_rot_pos_emb": True,
    "ref_feat_shape": (4, 4),
}
FORMS = {"l": GATED, "e": {"mlp_ratio": 3.5, "use_post_norm": True}}


def record(form: str, folder: Path) -> None:
    """Write weights, one batch, and the states before and after the last norm, in float32 and float64."""
    torch.manual_seed(0)
    model = Eva(**SHARED, **FORMS[form], global_pool="token").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        image = torch.randn(2, 3, 48, 48)
        tensors = {f"weights.visual.trunk.{name}": value for name, value in model.state_dict().items()}
        tensors |= {"image": image, "last": model.forward_features(image)}
        model.norm = torch.nn.Identity()
        tensors["states"] = model.forward_features(image)
        tensors["states_f64"] = model.double().forward_features(image.double())
    made_with = {"timm": timm.__version__, "torch": torch.__version__}
    save_file(tensors, folder / f"eva02_{form}.safetensors", metadata=made_with)
    print(form, made_with, {name: list(value.shape) for name, value in tensors.items() if "weights" not in name})


if __name__ == "__main__":
    for each in FORMS:
        record(each, Path(sys.argv[1]))
