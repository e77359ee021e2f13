"""What the specs of denoising heads share: ports, and settings of those that change pictures."""

from __future__ import annotations

from typing import Any

from attrs import validators

from diptych.ports import Port, Ports
from diptych.spec.part import PartSpec, setting


def dropping_text() -> Any:
    """Declare the share of training samples that keep only their pictures."""
    return setting(
        "share of training samples whose condition keeps only its pictures, so that the guidance "
        "`text-and-image` has a prediction between",
        default=0.0,
        check=[validators.ge(0), validators.le(1)],
    )


def beside_clean() -> Any:
    """Declare the axis of a clean target beside the noisy one."""
    return setting(
        "axis along which the clean target of the one picture that is changed is put behind the "
        "noisy one: the network sees both, and its answer for the noisy one is taken "
        "(BLIP3o-NEXT-edit)",
        default=None,
    )


def seen(spec: Any, axis: str) -> int | None:
    """Return what the network sees of an axis of the target: twice as much where clean ones lie."""
    size: int | None = getattr(spec, axis)
    return size * 2 if size is not None and spec.clean_latent == axis else size


def check_shares(drop_condition: float, drop_text: float) -> None:
    """Refuse shares of more than all samples.

    Raises:
        ValueError: naming both.
    """
    if drop_condition + drop_text > 1:
        raise ValueError(
            f"drop_condition {drop_condition} and drop_text {drop_text} are more than all samples"
        )


def denoising_ports(spec: PartSpec) -> Ports:
    """Pass condition and target on to the network; beside clean ones, a grid of twice the size."""
    inputs = {
        "condition": Port("b q condition_width", "what the target is made from"),
        "target": Port("b (height width) channels", "what the head makes"),
    }
    condition = ("condition", "network.condition")
    if getattr(spec, "clean_latent", None) is None:
        return Ports(inputs=inputs, inside=(condition, ("target", "network.sample")))
    both = Port("b (seen_height seen_width) channels", "noisy target and clean one")
    return Ports(inputs, {"both": both}, (condition, ("both", "network.sample")))
