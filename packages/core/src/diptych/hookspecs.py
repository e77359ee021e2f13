"""Every hook: one per kind, all of the same shape. This file is the catalogue.

An implementation returns a list of `diptych.registry.Component` records and changes nothing. A plugin is a module
whose functions are marked with `diptych.hookimpl`, announced by an entry point in the group `diptych`:

    from diptych import Component, hookimpl

    @hookimpl
    def diptych_register_encoder():
        return [Component("my-encoder", "my_package.encoder:MyEncoder", "one line about it")]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy


if TYPE_CHECKING:
    from diptych.registry import Component

hookspec = pluggy.HookspecMarker("diptych")
hookimpl = pluggy.HookimplMarker("diptych")


@hookspec
def diptych_register_backbone() -> list[Component]:  # type: ignore[empty-body]
    """Return language models where everything meets."""


@hookspec
def diptych_register_tokenizer() -> list[Component]:  # type: ignore[empty-body]
    """Return text tokenizers."""


@hookspec
def diptych_register_encoder() -> list[Component]:  # type: ignore[empty-body]
    """Return encoders (pixels -> features)."""


@hookspec
def diptych_register_autoencoder() -> list[Component]:  # type: ignore[empty-body]
    """Return autoencoders (pixels <-> latents)."""


@hookspec
def diptych_register_image_tokenizer() -> list[Component]:  # type: ignore[empty-body]
    """Return image tokenizers (pixels <-> ids)."""


@hookspec
def diptych_register_connector() -> list[Component]:  # type: ignore[empty-body]
    """Return connectors (features -> another width)."""


@hookspec
def diptych_register_condition() -> list[Component]:  # type: ignore[empty-body]
    """Return conditions (what a generation head receives)."""


@hookspec
def diptych_register_normaliser() -> list[Component]:  # type: ignore[empty-body]
    """Return normalisers of targets."""


@hookspec
def diptych_register_head() -> list[Component]:  # type: ignore[empty-body]
    """Return heads (condition -> target, and text heads)."""


@hookspec
def diptych_register_network() -> list[Component]:  # type: ignore[empty-body]
    """Return networks (the denoiser inside a head)."""


@hookspec
def diptych_register_noise_schedule() -> list[Component]:  # type: ignore[empty-body]
    """Return noise schedules."""


@hookspec
def diptych_register_timesteps() -> list[Component]:  # type: ignore[empty-body]
    """Return timestep samplings of training."""


@hookspec
def diptych_register_sampler() -> list[Component]:  # type: ignore[empty-body]
    """Return samplers."""


@hookspec
def diptych_register_guidance() -> list[Component]:  # type: ignore[empty-body]
    """Return guidances."""


@hookspec
def diptych_register_decoder() -> list[Component]:  # type: ignore[empty-body]
    """Return decoders (target -> pixels)."""


@hookspec
def diptych_register_objective() -> list[Component]:  # type: ignore[empty-body]
    """Return training objectives."""


@hookspec
def diptych_register_dataset() -> list[Component]:  # type: ignore[empty-body]
    """Return datasets (streams of samples)."""


@hookspec
def diptych_register_metric() -> list[Component]:  # type: ignore[empty-body]
    """Return metrics (scores of a model on data)."""


@hookspec
def diptych_register_importer() -> list[Component]:  # type: ignore[empty-body]
    """Return importers (foreign checkpoints <-> ours)."""


@hookspec
def diptych_register_spec() -> list[Component]:  # type: ignore[empty-body]
    """Return named model specs and recipes, shipped as data files."""
