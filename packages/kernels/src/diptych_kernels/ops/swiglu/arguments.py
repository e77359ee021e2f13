"""What ``swiglu`` accepts."""

from torch import Tensor

from diptych_kernels import checks


NAME = "swiglu"


def check(gate: Tensor, up: Tensor) -> None:
    """Raises ``TypeError`` or ``ValueError`` naming the argument, the expected and the given."""
    checks.floating_tensor(NAME, "gate", gate)
    if gate.dim() < 1:
        raise ValueError(f"{NAME}: gate must have shape '... f', got a single number")
    checks.floating_tensor(NAME, "up", up)
    checks.shape(NAME, "up", up, "... f", gate.shape, f"gate is {list(gate.shape)}")
    checks.same_device(NAME, "up", up, "gate", gate.device)
