"""What ``gated_residual_norm`` accepts."""

from torch import Tensor

from diptych_kernels import checks


NAME = "gated_residual_norm"
LONGEST_ROW = 4096  # held in registers: a longer one spills in the backward (reports/compile)


def check(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None,
    branch_weight: Tensor | None,
    gate: Tensor | None,
    scale: Tensor | None,
    eps: float,
) -> None:
    """Raises ``TypeError`` or ``ValueError`` naming the argument, the expected and the given."""
    checks.floating_tensor(NAME, "x", x)
    if x.dim() < 2:
        raise ValueError(f"{NAME}: x must have shape 'b ... d', got {list(x.shape)}")
    batch, width = x.shape[0], x.shape[-1]
    like = f"x is {list(x.shape)}"
    expectations = (
        ("y", y, "b ... d", x.shape),
        ("weight", weight, "d", (width,)),
        ("branch_weight", branch_weight, "d", (width,)),
        ("gate", gate, "b d", (batch, width)),
        ("scale", scale, "b d", (batch, width)),
    )
    for argument, value, axes, expected in expectations:
        if value is None and argument != "y":
            continue
        value = checks.floating_tensor(NAME, argument, value)
        checks.shape(NAME, argument, value, axes, expected, like)
        checks.same_device(NAME, argument, value, "x", x.device)
    if weight is None and scale is not None:
        raise ValueError(f"{NAME}: scale modulates the norm of weight, got scale and no weight")
    checks.epsilon(NAME, eps)
