"""What the cases of all operations have in common: a record of arguments and incoming gradients."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor


@dataclass(frozen=True, repr=False)
class Case:
    """Arguments by name; a field ``grad_*`` is what comes back to an output, None if unused.

    Attributes:
        constants: Names of tensor arguments that get no gradient.
    """

    constants: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def run(self, implementation: str) -> tuple[Tensor, ...]:
        """Calls the public function."""

    def __repr__(self) -> str:
        """Shapes, strides and dtypes: the values follow from the seed."""
        known = self.tensors()
        parts = [
            f"{field.name}={value.dtype} {tuple(value.shape)} strides {value.stride()}"
            if (value := known.get(field.name)) is not None
            else f"{field.name}={getattr(self, field.name)}"
            for field in fields(self)
        ]
        return f"{type(self).__name__}({', '.join(parts)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """hypothesis prints every number of a dataclass otherwise."""
        printer.text(repr(self))

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are there, by name."""
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in every.items() if isinstance(value, Tensor)}

    def leaves(self) -> dict[str, Tensor]:
        """Those among them that get a gradient."""
        return {
            name: value
            for name, value in self.tensors().items()
            if not name.startswith("grad_") and name not in self.constants
        }

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Changes every tensor."""
        return replace(self, **{name: change(value) for name, value in self.tensors().items()})

    def contiguous(self) -> Self:
        """The same with every tensor contiguous."""
        return self.map(Tensor.contiguous)

    def doubled(self) -> Self:
        """The same in float64: floating tensors only."""
        return self.map(lambda a: a.double() if a.is_floating_point() else a)

    def gradients(self, implementation: str) -> dict[str, Tensor]:
        """Gradients of the arguments for the incoming gradients, by name; zero if unused."""
        leaves = {name: value.detach().requires_grad_() for name, value in self.leaves().items()}
        outputs = replace(self, **leaves).run(implementation)
        grads = [getattr(self, f.name) for f in fields(self) if f.name.startswith("grad_")]
        pairs = zip(outputs, grads, strict=True)
        used = [(output, grad) for output, grad in pairs if grad is not None]
        found = torch.autograd.grad(
            [output for output, _ in used],
            list(leaves.values()),
            [grad for _, grad in used],
            allow_unused=True,
        )
        zeros = (torch.zeros_like(leaf) for leaf in leaves.values())
        return {
            name: zero if grad is None else grad
            for name, grad, zero in zip(leaves, found, zeros, strict=True)
        }

    def assert_untouched(self, before: "Case") -> None:
        """Raises if a tensor differs from its copy made earlier."""
        for name, value in self.tensors().items():
            same = torch.equal(value.nan_to_num(), before.tensors()[name].nan_to_num())
            assert same, f"{name} was written to"
