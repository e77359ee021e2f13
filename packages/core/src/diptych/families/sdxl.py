"""SDXL's U-Net, autoencoder and noise table: configs of diffusers in our terms and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diptych.errors import CheckpointError
from diptych.importing.importer import Foreign


_CROSS = {"down": "CrossAttnDownBlock2D", "up": "CrossAttnUpBlock2D"}
_PLAIN = {"down": "DownBlock2D", "up": "UpBlock2D"}
_UNET_FIXED: Mapping[str, Any] = {
    "center_input_sample": False, "flip_sin_to_cos": True, "freq_shift": 0, "downsample_padding": 1, "dropout": 0.0,
    "mid_block_type": "UNetMidBlock2DCrossAttn", "only_cross_attention": False,
    "mid_block_only_cross_attention": None, "mid_block_scale_factor": 1, "act_fn": "silu", "norm_eps": 1e-5,
    "encoder_hid_dim": None, "num_attention_heads": None, "encoder_hid_dim_type": None,
    "dual_cross_attention": False, "class_embed_type": None, "num_class_embeds": None, "upcast_attention": False,
    "resnet_time_scale_shift": "default", "resnet_skip_time_act": False, "resnet_out_scale_factor": 1.0,
    "time_embedding_type": "positional", "time_embedding_dim": None, "time_embedding_act_fn": None,
    "timestep_post_act": None, "time_cond_proj_dim": None, "conv_in_kernel": 3, "conv_out_kernel": 3,
    "attention_type": "default", "class_embeddings_concat": False, "cross_attention_norm": None,
    "reverse_transformer_layers_per_block": None, "addition_embed_type": "text_time", "use_linear_projection": True,
}  # fmt: skip
"""What SDXL's U-Net is among all that diffusers' class can be; another value would be another network."""
_VAE_FIXED: Mapping[str, Any] = {
    "in_channels": 3, "out_channels": 3, "act_fn": "silu", "latents_mean": None, "latents_std": None,
}  # fmt: skip
_TABLE_FIXED: Mapping[str, Any] = {
    "trained_betas": None, "interpolation_type": "linear", "use_karras_sigmas": False, "use_exponential_sigmas": False,
    "use_beta_sigmas": False, "sigma_min": None, "sigma_max": None, "timestep_type": "discrete",
    "rescale_betas_zero_snr": False, "final_sigmas_type": "zero",
}  # fmt: skip
_TABLES = {"linear": "ddpm-linear", "scaled_linear": "scaled-linear"}
_PREDICTIONS = {"epsilon": "noise", "v_prediction": "v", "sample": "clean"}
_CLASS = "EulerDiscreteScheduler"
_LAYERS = "transformer_layers_per_block"


def _refuse(foreign: Foreign, fixed: Mapping[str, Any], problems: list[str]) -> None:
    """Raise if there are problems, those of fields that can only have one value among them."""
    for key, only in fixed.items():
        value = foreign.config.get(key, only)
        if value != only and not (only in (None, False) and value in (None, False)):
            problems.append(f"{key} is {value!r}, but can only be {only!r}")
    if problems:
        text = "\n  ".join(problems)
        raise CheckpointError(f"{foreign.config_file} describes what our parts cannot be:\n  {text}")


def describe_unet(foreign: Foreign) -> dict[str, Any]:
    """Translate the config of a UNet2DConditionModel.

    Raises:
        CheckpointError: if a field is missing, or the class makes another network than SDXL's of it.
    """
    for key in ("addition_embed_type", "use_linear_projection"):
        foreign.value(key)  # left out, they would be other ones
    widths = _list(foreign.value("block_out_channels"))
    down, up = _list(foreign.value("down_block_types")), _list(foreign.value("up_block_types"))
    heads = _each_level(foreign.value("attention_head_dim"), len(widths))  # diffusers' word for their number
    layers = _each_level(foreign.value(_LAYERS), len(widths))
    attends = [each == _CROSS["down"] for each in down]
    problems = []
    for key, numbers in (("block_out_channels", widths), ("attention_head_dim", heads), (_LAYERS, layers)):
        if any(type(each) is not int for each in numbers):
            problems.append(f"{key} is {foreign.value(key)!r}, but can only be whole numbers, one a level")
    if problems:
        _refuse(foreign, _UNET_FIXED, problems)
    if down != [(_CROSS if each else _PLAIN)["down"] for each in attends]:
        problems.append(f"down_block_types are {', '.join(down)}, but can only be {_CROSS['down']} or {_PLAIN['down']}")
    if up != [(_CROSS if each else _PLAIN)["up"] for each in reversed(attends)]:
        problems.append(f"up_block_types are {', '.join(up)}, but must mirror down_block_types")
    if len(widths) != len(down) or len(widths) != len(heads) or len(widths) != len(layers):
        problems.append(
            "block_out_channels, down_block_types, attention_head_dim and transformer_layers_per_block differ in length"
        )
        _refuse(foreign, _UNET_FIXED, problems)
    where = [*(level for level, each in enumerate(attends) if each), len(widths) - 1]  # the middle attends always
    uneven = [level for level in where if heads[level] < 1 or widths[level] % heads[level]]
    if uneven:
        problems.append(f"attention_head_dim {heads} are numbers of heads, and must divide block_out_channels {widths}")
        _refuse(foreign, _UNET_FIXED, problems)
    head_widths = {widths[level] // heads[level] for level in where}
    if len(head_widths) > 1:
        problems.append(
            f"attention_head_dim {heads} gives heads of widths {sorted(head_widths)}, but they can only be equal"
        )
    sides = foreign.value("in_channels"), foreign.value("out_channels")
    if sides[0] != sides[1]:
        problems.append(f"in_channels {sides[0]} and out_channels {sides[1]} differ")
    if not attends[-1] and layers[-1] != 1:
        problems.append(
            f"transformer_layers_per_block {layers} gives the middle {layers[-1]} layers, but it can only have 1"
        )
    width, each_size = foreign.value("cross_attention_dim"), foreign.value("addition_time_embed_dim")
    told = foreign.value("projection_class_embeddings_input_dim")
    if told != width + 6 * each_size:
        problems.append(f"projection_class_embeddings_input_dim is {told}, but can only be {width + 6 * each_size}")
    _refuse(foreign, _UNET_FIXED, problems)
    return {
        "type": "sdxl-unet",
        "widths": widths,
        "blocks": foreign.value("layers_per_block"),
        "attention_layers": [each if on else 0 for each, on in zip(layers, attends, strict=True)],
        "head_width": head_widths.pop(),
        "norm_groups": foreign.value("norm_num_groups"),
        "size_width": each_size,
        "channels": sides[0],
        "condition_width": width,
    }


def describe_vae(foreign: Foreign, side: int | None = None) -> dict[str, Any]:
    """Translate the config of an AutoencoderKL, for pictures of a side."""
    widths = _list(foreign.value("block_out_channels"))
    quant = foreign.config.get("use_quant_conv", True)
    problems = []
    for key, only in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
        if _list(foreign.value(key)) != [only] * len(widths):
            problems.append(f"{key} are {', '.join(foreign.value(key))}, but can only be {only}, one for every width")
    if foreign.config.get("use_post_quant_conv", True) != quant:
        problems.append(f"use_quant_conv is {quant}, but use_post_quant_conv is not")
    _refuse(foreign, _VAE_FIXED, problems)
    return {
        "type": "autoencoder-kl",
        **({"image_size": side} if side else {}),
        "channels": foreign.value("latent_channels"),
        "widths": widths,
        "layers": foreign.value("layers_per_block"),
        "norm_groups": foreign.value("norm_num_groups"),
        "attention": foreign.config.get("mid_block_add_attention", True),
        "quant_conv": quant,
        "scaling_factor": foreign.value("scaling_factor"),
        "shift_factor": foreign.config.get("shift_factor") or 0.0,
    }


def describe_table(foreign: Foreign) -> dict[str, Any]:
    """Translate the config of an EulerDiscreteScheduler: noise schedule, prediction and sampler."""
    said = foreign.config.get("_class_name", _CLASS)
    table, prediction = foreign.value("beta_schedule"), foreign.config.get("prediction_type", "epsilon")
    problems = []
    if said != _CLASS:
        problems.append(f"_class_name is {said!r}, but can only be {_CLASS!r}")
    if table not in _TABLES:
        problems.append(f"beta_schedule {table!r} is none of {', '.join(_TABLES)}")
    if prediction not in _PREDICTIONS:
        problems.append(f"prediction_type {prediction!r} is none of {', '.join(_PREDICTIONS)}")
    _refuse(foreign, _TABLE_FIXED, problems)
    places = foreign.value("num_train_timesteps")
    return {
        "noise_schedule": {
            "type": _TABLES[table],
            "beta_start": foreign.value("beta_start"),
            "beta_end": foreign.value("beta_end"),
            "steps": places,
            "zero_terminal": False,
        },
        "prediction": _PREDICTIONS[prediction],
        "sampler": {
            "type": "euler-discrete",
            "steps": min(50, places),
            "spacing": foreign.config.get("timestep_spacing", "linspace"),
            "offset": foreign.config.get("steps_offset", 0),
            "table": places,
        },
    }


def unet_config(network: Any) -> dict[str, Any]:
    """Return the config of a network; the inverse of `describe_unet`."""
    fields = {key: list(value) if isinstance(value, tuple) else value for key, value in network.config().items()}
    return {"_class_name": "UNet2DConditionModel", "sample_size": network.height, **_UNET_FIXED, **fields}


def vae_config(autoencoder: Any) -> dict[str, Any]:
    """Return the config of an autoencoder; the inverse of `describe_vae`."""
    levels = len(autoencoder.widths)
    return {
        "_class_name": "AutoencoderKL",
        **_VAE_FIXED,
        "block_out_channels": list(autoencoder.widths),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "latent_channels": autoencoder.channels,
        "layers_per_block": autoencoder.layers,
        "mid_block_add_attention": autoencoder.attention,
        "norm_num_groups": autoencoder.norm_groups,
        "sample_size": autoencoder.image_size,
        "scaling_factor": autoencoder.scaling_factor,
        "shift_factor": autoencoder.shift_factor or None,
        "use_post_quant_conv": autoencoder.quant_conv,
        "use_quant_conv": autoencoder.quant_conv,
    }


def table_config(decoder: Any) -> dict[str, Any]:
    """Return the config of a noise schedule, a prediction and, if it is one of the table's, a sampler.

    Raises:
        CheckpointError: if the layout has no words for them.
    """
    from diptych.plugins import registry

    table, sampler = decoder.noise_schedule, decoder.sampler
    kind = {ours: theirs for theirs, ours in _TABLES.items()}.get(
        registry().name_of("noise_schedule", type(table)) or ""
    )
    prediction = {ours: theirs for theirs, ours in _PREDICTIONS.items()}.get(decoder.prediction)
    if kind is None or prediction is None or table.zero_terminal:
        raise CheckpointError(
            f"this layout has a decoder that takes noise off by a table ({' or '.join(_TABLES.values())}, "
            f"zero_terminal false) and predicts {' or '.join(_PREDICTIONS.values())}, which this one does not"
        )
    spaced = hasattr(sampler, "spacing")
    return {
        "_class_name": _CLASS,
        **_TABLE_FIXED,
        "beta_end": table.beta_end,
        "beta_schedule": kind,
        "beta_start": table.beta_start,
        "num_train_timesteps": table.steps,
        "prediction_type": prediction,
        "steps_offset": sampler.offset if spaced else 1,
        "timestep_spacing": sampler.spacing if spaced else "leading",
    }


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _each_level(value: Any, levels: int) -> list[Any]:
    return _list(value) if isinstance(value, list | tuple) else [value] * levels
