"""A tiny `diffusion-decoder/` beside a BLIP3-o, written by diffusers' own classes as the released one was."""

import json

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel


SIDE = 16
CHANNELS = 32  # of the tiny BLIP3-o's features
STEPS = 50


def parts():
    """Return U-Net, autoencoder and scheduler, SDXL's in all but size."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=128, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        cross_attention_dim=CHANNELS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2), attention_head_dim=(1, 2), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=CHANNELS + 6 * 4,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(4, 8), down_block_types=("DownEncoderBlock2D",) * 2, norm_num_groups=2,
        up_block_types=("UpDecoderBlock2D",) * 2, scaling_factor=0.13025, sample_size=1024,
    )  # fmt: skip
    table = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1
    )
    return unet, vae, table


def add_decoder(folder, *, variant="bf16", **saving):
    """Write the folder into a checkpoint, whose config then says the side that the original's code does."""
    here = folder / "diffusion-decoder"
    unet, vae, table = parts()
    unet.to(torch.bfloat16).save_pretrained(here / "unet", variant=variant, **saving)
    vae.to(torch.bfloat16).save_pretrained(here / "vae", variant=variant)
    table.save_pretrained(here / "scheduler")
    (here / "feature_extractor").mkdir()
    (here / "feature_extractor" / "preprocessor_config.json").write_text('{"crop_size": 224}')
    (here / "model_index.json").write_text('{"_class_name": ["pipeline_llava_gen", "EmuVisualGenerationPipeline"]}')
    (here / "pipeline_llava_gen.py").write_text("raise SystemExit('nobody runs this')\n")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "gen_image_size": SIDE}, indent=1))
