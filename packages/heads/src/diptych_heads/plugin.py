"""What this package registers."""

from __future__ import annotations

from diptych.hookspecs import hookimpl
from diptych.registry import Component


@hookimpl
def diptych_register_network() -> list[Component]:
    """Name the denoisers."""
    return [
        Component(
            "lumina-next",
            "diptych_heads.networks.specs:LuminaNext",
            "the denoiser of BLIP3-o: Lumina-Next blocks with 2-D RoPE",
        ),
        Component(
            "sana",
            "diptych_heads.networks.sana_spec:Sana",
            "SANA's linear-attention transformer, with a connector before it (BLIP3o-NEXT)",
        ),
        Component(
            "sdxl-unet",
            "diptych_heads.networks.sdxl_unet_spec:SdxlUnet",
            "SDXL's U-Net reading feature tokens (Emu2, BLIP3-o)",
        ),
        Component(
            "dit", "diptych_heads.networks.specs:Dit", "diffusion transformer with adaLN-zero"
        ),
        Component(
            "mlp",
            "diptych_heads.networks.mlp_spec:Mlp",
            "denoises each token on its own, under a condition token of its own (MAR)",
        ),
    ]


@hookimpl
def diptych_register_head() -> list[Component]:
    """Name the generation heads and the text heads."""
    return [
        Component(
            "flow-matching",
            "diptych_heads.heads.specs:FlowMatching",
            "carries noise to targets; any network, schedule, sampler and guidance",
        ),
        Component(
            "diffusion",
            "diptych_heads.heads.diffusion_spec:Diffusion",
            "takes noise off targets: v, noise or clean prediction, min-SNR weights",
        ),
        Component(
            "autoregressive",
            "diptych_heads.autoregressive.specs:Autoregressive",
            "image ids one by one through the backbone, with a cache (Janus, BLIP3o-NEXT)",
        ),
        Component(
            "regression",
            "diptych_heads.heads.specs:Regression",
            "predicts the target at once with a squared error",
        ),
        Component(
            "next-token",
            "diptych_heads.text.specs:NextToken",
            "next word from the backbone's own output matrix",
        ),
        Component(
            "linear",
            "diptych_heads.text.specs:LinearText",
            "next word from an output matrix of its own",
        ),
    ]


@hookimpl
def diptych_register_noise_schedule() -> list[Component]:
    """Name the noise schedules."""
    return [
        Component(
            "linear", "diptych_heads.noise_schedules.specs:Linear", "straight line, optional shift"
        ),
        Component("cosine", "diptych_heads.noise_schedules.specs:Cosine", "quarter circle"),
        Component(
            "ddpm-linear", "diptych_heads.noise_schedules.specs:DdpmLinear", "DDPM's table of betas"
        ),
        Component(
            "scaled-linear",
            "diptych_heads.noise_schedules.specs:ScaledLinear",
            "Stable Diffusion's table of betas",
        ),
    ]


@hookimpl
def diptych_register_timesteps() -> list[Component]:
    """Name the ways of drawing training times."""
    return [
        Component("uniform", "diptych_heads.timesteps.specs:Uniform", "evenly in (0, 1]"),
        Component("logit-normal", "diptych_heads.timesteps.specs:LogitNormal", "mostly the middle"),
        Component(
            "mode", "diptych_heads.timesteps.specs:Mode", "around the middle, the ends not starved"
        ),
        Component(
            "reference-integer",
            "diptych_heads.timesteps.specs:ReferenceInteger",
            "whole thousandths, as BLIP3-o draws them",
        ),
        Component(
            "token-shift",
            "diptych_heads.timesteps.specs:TokenShift",
            "another drawing, shifted by the number of tokens",
        ),
    ]


@hookimpl
def diptych_register_sampler() -> list[Component]:
    """Name the samplers."""
    return [
        Component(
            "abm",
            "diptych_heads.samplers.adams_moulton_spec:AdamsMoulton",
            "order 3, one evaluation a step: predicts, corrects later (default)",
        ),
        Component("euler", "diptych_heads.samplers.specs:Euler", "order 1, one evaluation a step"),
        Component("heun", "diptych_heads.samplers.specs:Heun", "order 2, two evaluations a step"),
        Component(
            "ab2",
            "diptych_heads.samplers.specs:AdamsBashforth2",
            "order 2 from the last two velocities, one evaluation a step",
        ),
        Component(
            "midpoint", "diptych_heads.samplers.specs:Midpoint", "order 2, two evaluations a step"
        ),
        Component(
            "dpm++2m",
            "diptych_heads.samplers.specs:DpmSolver2M",
            "order 2 from the last two targets, one evaluation a step",
        ),
        Component(
            "ddim",
            "diptych_heads.samplers.specs:Ddim",
            "order 1, from deterministic to ancestral",
        ),
        Component(
            "euler-discrete",
            "diptych_heads.samplers.euler_discrete_spec:EulerDiscrete",
            "order 1 over the places of a noise table, as SDXL is sampled (BLIP3-o's decoder)",
        ),
    ]


@hookimpl
def diptych_register_guidance() -> list[Component]:
    """Name the guidances."""
    return [
        Component(
            "classifier-free",
            "diptych_heads.guidance.specs:ClassifierFree",
            "extrapolates from null to conditional; interval, rescale",
        ),
        Component(
            "apg",
            "diptych_heads.guidance.specs:Projected",
            "extrapolates across the conditional prediction only",
        ),
        Component(
            "text-and-image",
            "diptych_heads.guidance.specs:TextAndImage",
            "a scale for the text and one for the picture, for editing",
        ),
    ]


@hookimpl
def diptych_register_decoder() -> list[Component]:
    """Name the decoders."""
    return [
        Component(
            "diffusion",
            "diptych_heads.decoders.diffusion_spec:Diffusion",
            "denoises latents or pixels under features; sdxl-unet (Emu2, BLIP3-o) or any network",
        ),
        Component(
            "conv-pixels",
            "diptych_heads.decoders.specs:ConvPixels",
            "residual convolutions and upsampling, features to pixels",
        ),
        Component(
            "patch-mlp",
            "diptych_heads.decoders.specs:PatchMlp",
            "an MLP a token, token to patch of pixels",
        ),
    ]


@hookimpl
def diptych_register_objective() -> list[Component]:
    """Name the objectives."""
    return [
        Component(
            "contrastive",
            "diptych_heads.objectives.specs:Contrastive",
            "pictures and texts find each other in the batch (CLIP)",
        ),
        Component(
            "contrastive-sigmoid",
            "diptych_heads.objectives.specs:ContrastiveSigmoid",
            "every picture-text pair judged on its own (SigLIP)",
        ),
    ]
