"""A rule: which modules can be fused, when, and what they then do."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Rule:
    """How modules of some classes are fused.

    Classes are known by name, so that neither transformers nor diffusers is imported.

    Attributes:
        kinds: Names of the classes.
        operations: What the fused forward calls.
        forward: The fused forward, a method.
        parameters: Names of the parameters of the forward that this one was written after; a class
            whose own differ is another version and stays as it is.
        cannot: Why a module cannot be fused, or None.
    """

    kinds: tuple[str, ...]
    operations: tuple[str, ...]
    forward: Callable[..., Any]
    parameters: tuple[str, ...]
    cannot: Callable[[Any], str | None]

    def why_not(self, module: nn.Module) -> str | None:
        """A reason against fusing this module, or None."""
        own = tuple(inspect.signature(type(module).forward).parameters)[1:]
        if own != self.parameters:
            return f"its forward takes ({', '.join(own)}), not ({', '.join(self.parameters)})"
        if "forward" in vars(module):
            return "its forward has been replaced on the instance"
        return self.cannot(module)


def no_attention_functions(module: Any) -> str | None:
    """What a module's file lacks of transformers' way to choose an attention, or None."""
    home = sys.modules[type(module).__module__]
    wanted = ("ALL_ATTENTION_FUNCTIONS", "eager_attention_forward")
    missing = [name for name in wanted if not hasattr(home, name)]
    return f"{home.__name__} has no {' and no '.join(missing)}" if missing else None


def passed_over(module: nn.Module, names: tuple[str, ...]) -> str | None:
    """Why submodules that a fused forward reads but does not call must be called, or None."""
    for name in names:
        child = module.get_submodule(name)
        hooks = (child._forward_hooks, child._forward_pre_hooks, child._backward_hooks,
                 child._backward_pre_hooks)  # fmt: skip
        if any(hooks):
            return f"{name} has hooks, which the fused operation would pass over"
        if "forward" in vars(child):
            return f"the forward of {name} has been replaced on the instance"
    return None


def norm_without_weight(module: nn.Module, names: tuple[str, ...]) -> str | None:
    """Names the first norm that has no weight, or None."""
    for name in names:
        if getattr(module.get_submodule(name), "weight", None) is None:
            return f"{name} has no weight"
    return None
