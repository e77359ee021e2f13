"""The named specs: they check, with the sizes that are known; released layouts are accounted for, name by name."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from diptych.assembly import Assembly
from diptych.families.blip3o.importer import Blip3o
from diptych.importing.bring import read_foreign
from diptych.importing.facts import TensorFacts
from diptych.importing.importer import Foreign
from diptych.importing.plan import make_plan
from diptych.importing.send import comparable
from diptych.importing.wanted import module_tensors
from diptych.plugins import registry
from diptych.spec.files import read_spec
from diptych.spec.wiring import resolve


FAMILIES = ("blip3o-8b", "blip3o-4b", "blip3o-qwen3-siglip2")
# Parameters by slot. Published: Qwen2.5-VL 7B 8,292,166,656 and 3B 3,754,622,976, with tables of 152,064 and 151,936
# rows, here 151,668; Qwen3-1.7B 2,031,739,904 with its tied table of 151,936 rows counted twice, here 151,672 once
KNOWN = {
    "blip3o-8b": {
        "backbone": 8_292_166_656 - 2 * (152_064 - 151_668) * 3584,
        "vision.clip": 4_350_208_256,
        "generate.features.condition": 64 * 3584,
        "generate.features.head": 1_365_010_336,
    },
    "blip3o-4b": {
        "backbone": 3_754_622_976 - (151_936 - 151_668) * 2048,
        "vision.clip": 4_350_208_256,
        "generate.features.condition": 64 * 2048,
        "generate.features.head": 1_365_010_336 - (3584 - 2048) * 1792,
    },
    "blip3o-qwen3-siglip2": {
        "backbone": 2_031_739_904 - 151_936 * 2048 - (151_936 - 151_672) * 2048,
        "vision.clip": 4_350_208_256,
        "generate.features.condition": 64 * 2048,
        "generate.features.head": 1_365_010_336 - (3584 - 2048) * 1792,
        "understand.connector": 1152 * 2048 + 2048 + 2048 * 2048 + 2048,
    },
}


@pytest.fixture(scope="module")
def built():
    """Every named spec, resolved, and its modules without numbers."""
    made = {}
    for name in FAMILIES:
        spec = resolve(read_spec(name)).spec
        with torch.device("meta"):
            made[name] = spec, Assembly(spec)
    return made


@pytest.mark.parametrize("name", FAMILIES)
def test_parameters(built, name):
    _, parts = built[name]
    counts = {slot: sum(each.numel() for each in parts.get_submodule(slot).parameters()) for slot in KNOWN[name]}
    assert counts == KNOWN[name]


def test_every_named_model_of_the_families_is_tested():
    named = {entry.component.name for entry in registry().entries("spec") if "families" in entry.component.target}
    elsewhere = {
        "siglip2-sana",
        "blip3o-next-3b",
        "blip3o-next-edit",
        "janus-pro-1b",
        "janus-pro-7b",
    }  # in tests of their own
    assert named == set(FAMILIES) | elsewhere


# -- the layout of the released checkpoints, as their dumps show it ---------------------------------------------------

SIZES = {
    "blip3o-8b": {"width": 3584, "layers": 28, "heads": 28, "kv_heads": 4, "mlp": 18944, "tied": False},
    "blip3o-4b": {"width": 2048, "layers": 36, "heads": 16, "kv_heads": 2, "mlp": 11008, "tied": True},
}
ROWS = 151_668


def language_model(width, layers, heads, kv_heads, mlp, tied):
    kv = width // heads * kv_heads
    layer = {
        "input_layernorm.weight": (width,),
        "post_attention_layernorm.weight": (width,),
        "self_attn.q_proj.weight": (width, width),
        "self_attn.q_proj.bias": (width,),
        "self_attn.k_proj.weight": (kv, width),
        "self_attn.k_proj.bias": (kv,),
        "self_attn.v_proj.weight": (kv, width),
        "self_attn.v_proj.bias": (kv,),
        "self_attn.o_proj.weight": (width, width),
        "mlp.gate_proj.weight": (mlp, width),
        "mlp.up_proj.weight": (mlp, width),
        "mlp.down_proj.weight": (width, mlp),
    }
    whole = {"model.embed_tokens.weight": (ROWS, width), "model.norm.weight": (width,)}
    output = {} if tied else {"lm_head.weight": (ROWS, width)}
    return {**whole, **output, **numbered("model.layers", layers, layer)}


def reading_tower(out):
    block = {
        "norm1.weight": (1280,),
        "norm2.weight": (1280,),
        "attn.qkv.weight": (3840, 1280),
        "attn.qkv.bias": (3840,),
        "attn.proj.weight": (1280, 1280),
        "attn.proj.bias": (1280,),
        **{f"mlp.{name}_proj.weight": (3420, 1280) for name in ("gate", "up")},
        **{f"mlp.{name}_proj.bias": (3420,) for name in ("gate", "up")},
        "mlp.down_proj.weight": (1280, 3420),
        "mlp.down_proj.bias": (1280,),
    }
    merger = {
        "visual.merger.ln_q.weight": (1280,),
        "visual.merger.mlp.0.weight": (5120, 5120),
        "visual.merger.mlp.0.bias": (5120,),
        "visual.merger.mlp.2.weight": (out, 5120),
        "visual.merger.mlp.2.bias": (out,),
    }
    return {"visual.patch_embed.proj.weight": (1280, 3, 2, 14, 14), **merger, **numbered("visual.blocks", 32, block)}


def denoiser(condition):
    maps = [f"{which}.{to}" for which in ("attn1", "attn2") for to in ("to_q", "to_k", "to_v")]
    norms = {
        f"{which}.{norm}.{kind}": (1792,)
        for which in ("attn1", "attn2")
        for norm in ("norm_q", "norm_k")
        for kind in ("weight", "bias")
    }
    layer = {
        "gate": (28,),
        **{f"{name}.weight": (1792, 1792) for name in maps},
        **norms,
        "attn2.to_out.0.weight": (1792, 1792),
        "feed_forward.linear_1.weight": (4864, 1792),
        "feed_forward.linear_2.weight": (1792, 4864),
        "feed_forward.linear_3.weight": (4864, 1792),
        "norm1.linear.weight": (7168, 1024),
        "norm1.linear.bias": (7168,),
        **{f"{norm}.weight": (1792,) for norm in ("norm1.norm", "norm2", "ffn_norm1", "ffn_norm2", "norm1_context")},
    }
    time = {
        "timestep_embedder.linear_1": (1024, 256),
        "timestep_embedder.linear_2": (1024, 1024),
        "caption_embedder.1": (1024, 1792),
    }
    linears = {
        "caption_projection.linear_1": (1792, condition),
        "caption_projection.linear_2": (1792, 1792),
        "patch_embedder.proj": (1792, 1792),
        **{f"time_caption_embed.{name}": shape for name, shape in time.items()},
        "norm_out.linear_1": (1792, 1024),
        "norm_out.linear_2": (1792, 1792),
    }
    whole = {f"{name}.weight": shape for name, shape in linears.items()}
    whole |= {f"{name}.bias": shape[:1] for name, shape in linears.items()}
    whole |= {f"time_caption_embed.caption_embedder.0.{kind}": (1792,) for kind in ("weight", "bias")}
    return {f"model.dit.model.{name}": shape for name, shape in {**whole, **numbered("layers", 24, layer)}.items()}


def target_tower():
    block = {
        **{f"norm{i}.{kind}": (1792,) for i in (1, 2) for kind in ("weight", "bias")},
        "attn.qkv.weight": (5376, 1792),
        "attn.qkv.bias": (5376,),
        "attn.proj.weight": (1792, 1792),
        "attn.proj.bias": (1792,),
        "mlp.fc1.weight": (15360, 1792),
        "mlp.fc1.bias": (15360,),
        "mlp.fc2.weight": (1792, 15360),
        "mlp.fc2.bias": (1792,),
    }
    whole = {
        "cls_token": (1, 1, 1792),
        "pos_embed": (1, 1025, 1792),
        "patch_embed.proj.weight": (1792, 3, 14, 14),
        "patch_embed.proj.bias": (1792,),
        **numbered("blocks", 64, block),
    }
    return {f"model.gen_vision_tower.vision_tower.model.{name}": shape for name, shape in whole.items()}


DECODER = {
    "unet/config.json": {
        "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280], "layers_per_block": 2,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "attention_head_dim": [5, 10, 20],
        "transformer_layers_per_block": [1, 2, 10], "norm_num_groups": 32, "cross_attention_dim": 1792,
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "use_linear_projection": True,
        "projection_class_embeddings_input_dim": 3328, "sample_size": 128,
    },
    "vae/config.json": {
        "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32,
        "scaling_factor": 0.13025, "sample_size": 1024, "force_upcast": True,
    },
    "scheduler/scheduler_config.json": {
        "_class_name": "EulerDiscreteScheduler", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000,
        "beta_schedule": "scaled_linear", "prediction_type": "epsilon", "timestep_spacing": "leading",
        "steps_offset": 1, "interpolation_type": "linear", "use_karras_sigmas": False,
    },
}  # fmt: skip
"""SDXL's public configs, with a condition of 1792 channels: from reading."""


def decoder():
    """Names and shapes of the decoder's folder, as diffusers' classes have them."""
    classes = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}
    with torch.device("meta"):
        made = {part: cls.from_config(DECODER[f"{part}/config.json"]) for part, cls in classes.items()}
    return {
        f"diffusion-decoder/{part}/{name}": tuple(value.shape)
        for part, module in made.items()
        for name, value in module.state_dict().items()
    }


def numbered(prefix, count, names):
    return {f"{prefix}.{i}.{name}": shape for i in range(count) for name, shape in names.items()}


def released(sizes, folder):
    shapes = {
        **language_model(**sizes),
        **reading_tower(sizes["width"]),
        "model.latent_queries": (1, 64, sizes["width"]),
        **denoiser(sizes["width"]),
        **target_tower(),
        **decoder(),
    }
    config = {
        **{f"diffusion-decoder/{part}": said for part, said in DECODER.items()},
        "model_type": "blip3o_qwen",
        "hidden_size": sizes["width"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "num_key_value_heads": sizes["kv_heads"],
        "intermediate_size": sizes["mlp"],
        "max_position_embeddings": 128_000,
        "tie_word_embeddings": sizes["tied"],
        "rope_theta": 1e6,
        "rms_norm_eps": 1e-6,
        "rope_scaling": {"type": "default", "mrope_section": [16, 24, 24]},
        "vision_config": {
            "hidden_size": 1280, "depth": 32, "num_heads": 16, "intermediate_size": 3420, "patch_size": 14,
            "spatial_merge_size": 2, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
        },
        "vocab_size": ROWS,
        "gen_vision_tower": "eva-clip-E-14-plus",
        "gen_pooling": "early_pool2d_4",
        "n_query": 64,
    }  # fmt: skip
    return Foreign(config, {name: TensorFacts("BF16", shape) for name, shape in shapes.items()}, folder)


@pytest.mark.parametrize("name", SIZES)
def test_every_tensor_of_the_released_checkpoints_is_accounted_for(built, name, tmp_path):
    (tmp_path / "tokenizer.json").touch()
    foreign = released(SIZES[name], tmp_path)
    spec, parts = built[name]
    wanted = module_tensors(parts)
    plan = make_plan(Blip3o().rules(foreign), foreign.tensors, wanted)
    assert not plan.problems
    ours = {"decode.decoder.null", "decode.decoder.null_known"}  # of what the layout has no names for
    assert {each.name for each in plan.made if not each.sources} == ours
    assert len(plan.made) == len(foreign.tensors) + len(ours) == len(wanted)
    # what the importer reads off the layout is the named spec
    read = resolve(read_foreign(Blip3o(), foreign, Path(tmp_path))).spec
    same = [comparable(Blip3o().settled(each)) for each in (read, spec)]
    assert same[0] == same[1]
    assert (read.decode.decoder.sampler, read.decode.decoder.guidance) == (
        spec.decode.decoder.sampler,
        spec.decode.decoder.guidance,
    )
