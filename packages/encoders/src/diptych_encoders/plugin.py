"""What this distribution adds to Diptych: one record a part, nothing imported until its name is used."""

from diptych.hookspecs import hookimpl
from diptych.registry import Component


@hookimpl
def diptych_register_encoder() -> list[Component]:
    """Return the encoders (pixels -> features)."""
    return [
        Component("clip", "diptych_encoders.clip:Clip", "CLIP vision transformer, any layer"),
        Component(
            "siglip", "diptych_encoders.siglip:Siglip", "SigLIP vision transformer, any layer"
        ),
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
    ]
