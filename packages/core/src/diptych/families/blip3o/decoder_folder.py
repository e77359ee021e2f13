"""The folder `diffusion-decoder/` beside BLIP3-o's shards: an SDXL-shaped decoder as diffusers writes its parts.

From reading: the folder is public, and no recording of it was at hand. What its pipeline does is Emu2's (arXiv
2312.13286): the features go into the U-Net's cross-attention, their mean and six sizes into its time embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diptych.errors import CheckpointError
from diptych.families.sdxl import describe_table, describe_unet, describe_vae, table_config, unet_config, vae_config
from diptych.importing.files import WeightFiles
from diptych.importing.importer import Foreign
from diptych.importing.rules import AnyRule, fresh, rename
from diptych.plugins import registry


FOLDER = "diffusion-decoder"
UNET, VAE, TABLE = (
    f"{FOLDER}/unet/config.json",
    f"{FOLDER}/vae/config.json",
    f"{FOLDER}/scheduler/scheduler_config.json",
)
CONFIGS = (UNET, VAE, TABLE)
STEMS = ("diffusion_pytorch_model", "model")
VARIANTS = ("bf16", "", "fp16")
"""The original's code asks for `variant="bf16"`."""
PLACES = tuple(
    WeightFiles(f"{FOLDER}/{part}", STEMS, prefix=f"{FOLDER}/{part}/", variants=VARIANTS, optional=FOLDER)
    for part in ("unet", "vae")
)
KINDS = {"decoder": "diffusion", "network": "sdxl-unet", "autoencoder": "autoencoder-kl"}
"""The registered names of its parts."""
SIDE = "gen_image_size"
"""A field of config.json that says the side of pictures; the original's code has 1024 as a default argument."""
DRAWER = "decode.decoder"


def rules() -> list[AnyRule]:
    """Name the tensors: both sides wrap the same classes of diffusers."""
    return [
        rename(f"{FOLDER}/unet/{{rest...}}", f"{DRAWER}.network.model.{{rest...}}"),
        rename(f"{FOLDER}/vae/{{rest...}}", f"{DRAWER}.autoencoder.model.{{rest...}}"),
        fresh(f"{DRAWER}.null", "features that are painted for a space, when they are first needed"),
        fresh(f"{DRAWER}.null_known", "as long as they are not painted"),
    ]


def is_there(foreign: Foreign) -> bool:
    """Say whether a checkpoint has the folder."""
    return any(path in foreign.config for path in CONFIGS) or any(name.startswith(FOLDER) for name in foreign.tensors)


def describe(foreign: Foreign) -> dict[str, Any]:
    """Describe the decoder by the configs of its parts.

    Raises:
        CheckpointError: if a config is missing, or describes what our parts cannot be, naming all of that.
    """
    absent = [path for path in CONFIGS if path not in foreign.config]
    if absent:
        raise CheckpointError(
            f"{foreign.folder or ''}: {', '.join(absent)} missing; download {FOLDER}/ again, or none of it"
        )
    side = foreign.config.get(SIDE, 1024)
    table = foreign.section(TABLE)
    return {
        "type": "diffusion",
        "network": {
            **describe_unet(foreign.section(UNET)),
            "sizes": [side, side, 0, 0, side, side],
            "clock": float(table.value("num_train_timesteps")),
            "first_time": -1.0,
        },
        "autoencoder": describe_vae(foreign.section(VAE), side),
        **describe_table(table),
        "null": "painted-space",
        "guidance": {"type": "classifier-free", "scale": 3.0},
    }


def configs(decoder: Any, original: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configs of a decoder; those of the original where they say the same.

    Raises:
        CheckpointError: if it is no decoder of this layout.
    """
    kinds = {"decoder": decoder, "network": getattr(decoder, "network", None)}
    kinds |= {"autoencoder": getattr(decoder, "autoencoder", None)}
    found = {kind: registry().name_of(kind, type(part)) for kind, part in kinds.items()}
    if found != KINDS:
        raise CheckpointError(
            f"the layout `blip3o` has a decoder of {', '.join(KINDS.values())}, but this model's is "
            f"{', '.join(name or 'none' for name in found.values())}; leave out `decode`, or keep the decoder here"
        )
    said = {
        UNET: (describe_unet, unet_config(decoder.network)),
        VAE: (describe_vae, vae_config(decoder.autoencoder)),
        TABLE: (describe_table, table_config(decoder)),
    }
    made = {}
    for path, (read, new) in said.items():
        before = original.get(path)
        wanted = read(Foreign(new, {}, config_file=path))
        same = before is not None and read(Foreign(before, {}, config_file=path)) == wanted
        made[path] = before if same else {**(before or {}), **new}
    side = decoder.image_size
    return {**made, **({SIDE: side} if side != original.get(SIDE, 1024) else {})}
