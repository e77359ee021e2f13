"""A normaliser between an encoder and whatever works in its units: sizes follow along the ports."""

from __future__ import annotations

from diptych.ports import Connection, Mismatch, Port, Ports, SizeTable, match_ports
from diptych.spec.part import PartSpec
from diptych_encoders.channel_statistics import ChannelStatistics
from diptych_encoders.clip import Clip
from diptych_encoders.principal_components import PrincipalComponents


CLIP = Clip(hidden_width=16, depth=2, heads=2, image_size=32, patch_size=4, pool=2, project=12)


def match(encoder: PartSpec, normaliser: PartSpec) -> tuple[SizeTable, list[Mismatch]]:
    """Connect encoder -> normaliser -> something that takes a grid."""
    taker = Ports(inputs={"target": Port("b (height width) channels")})
    parts = {"clip": encoder, "normalise": normaliser, "head": object()}
    ports = {"clip": encoder.ports(), "normalise": normaliser.ports(), "head": taker}
    links = [
        Connection("clip.features", "normalise.target"),
        Connection("normalise.normalised", "head.target"),
    ]
    return match_ports(parts, ports, links)


def test_channels_follow_from_the_encoder_and_reach_the_head() -> None:
    table, problems = match(CLIP, ChannelStatistics())
    assert not problems
    assert table.size(("normalise", "channels")) == 12
    head = [table.size(("head", axis)) for axis in ("height", "width", "channels")]
    assert head == [4, 4, 12]


def test_the_head_sees_only_the_components_that_are_kept() -> None:
    table, problems = match(CLIP, PrincipalComponents(kept=5))
    assert not problems
    assert table.size(("normalise", "channels")) == 12
    assert table.size(("head", "channels")) == 5


def test_a_class_token_does_not_fit_a_grid() -> None:
    kept = Clip(hidden_width=16, depth=2, heads=2, image_size=32, patch_size=4, cls="keep")
    _, problems = match(kept, ChannelStatistics())
    assert problems
    assert "65" in problems[0].message
