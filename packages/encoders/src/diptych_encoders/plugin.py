"""What this distribution adds to Diptych: one record a part, nothing imported until its name is used."""

from diptych.hookspecs import hookimpl
from diptych.registry import Component


@hookimpl
def diptych_register_encoder() -> list[Component]:
    """Return the encoders (pixels -> features)."""
    return [
        Component("clip", "diptych_encoders.clip:Clip", "CLIP vision transformer, any layer"),
        Component("eva-clip", "diptych_encoders.eva_clip:EvaClip", "EVA-CLIP vision transformer, BLIP3-o's targets"),
        Component("dinov2", "diptych_encoders.dinov2:Dinov2", "DINOv2 vision transformer, self-supervised features"),
        Component("qwen2.5-vl", "diptych_encoders.qwen25_vl:Qwen25Vl", "vision tower of Qwen2.5-VL, any resolution"),
        Component("siglip", "diptych_encoders.siglip:Siglip", "SigLIP vision transformer, any layer"),
        Component("siglip2", "diptych_encoders.siglip2:Siglip2", "SigLIP 2 vision transformer, fixed or NaFlex"),
    ]


@hookimpl
def diptych_register_autoencoder() -> list[Component]:
    """Return the autoencoders (pixels <-> latents)."""
    return [
        Component(
            "autoencoder-kl",
            "diptych_encoders.autoencoder_kl:AutoencoderKl",
            "variational autoencoder of Stable Diffusion and its kin",
        ),
        Component(
            "autoencoder-tiny",
            "diptych_encoders.autoencoder_tiny:AutoencoderTiny",
            "small convolutional autoencoder without a posterior (TAESD)",
        ),
        Component(
            "dc-ae",
            "diptych_encoders.dc_ae:DcAe",
            "deep compression autoencoder of SANA, 32 pixels a side to one latent",
            aliases=("autoencoder-dc",),
        ),
    ]


@hookimpl
def diptych_register_image_tokenizer() -> list[Component]:
    """Return the image tokenizers (pixels <-> ids)."""
    return [
        Component("vq", "diptych_encoders.vq:Vq", "vector-quantised tokenizer of LlamaGen and Janus"),
        Component("ta-tok", "diptych_encoders.ta_tok:TaTok", "text-aligned tokenizer over SigLIP 2, of BLIP3-o-NEXT"),
    ]


@hookimpl
def diptych_register_normaliser() -> list[Component]:
    """Return the normalisers (target <-> the units a head works in)."""
    return [
        Component(
            "channel-statistics",
            "diptych_encoders.channel_statistics:ChannelStatistics",
            "each channel to mean 0 and std 1, fitted on data",
        ),
        Component(
            "principal-components",
            "diptych_encoders.principal_components:PrincipalComponents",
            "whitened principal components, the smallest ones dropped, fitted on data",
        ),
    ]
