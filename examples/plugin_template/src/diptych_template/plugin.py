"""What this package adds to Diptych: one record a part, nothing imported until its name is used."""

from __future__ import annotations

from diptych import Component, hookimpl


@hookimpl
def diptych_register_encoder() -> list[Component]:
    """Return the encoders (pixels -> features)."""
    return [Component("conv-patches", "diptych_template.conv_patches:ConvPatches", "two convolutions a patch")]


@hookimpl
def diptych_register_head() -> list[Component]:
    """Return the heads (condition -> target)."""
    return [Component("gaussian", "diptych_template.gaussian:Gaussian", "a mean and a spread for each target number")]


@hookimpl
def diptych_register_spec() -> list[Component]:
    """Return the files that have a name."""
    return [
        Component("template", "diptych_template:specs/model.yaml", "a tiny model with both parts of this package"),
        Component("template-recipe", "diptych_template:specs/recipe.yaml", "trains it in a minute or two"),
    ]
