"""What ``nearest_code`` accepts."""

from torch import Tensor

from diptych_kernels import checks


NAME = "nearest_code"
METRICS = ("euclidean", "cosine")


def check(x: Tensor, codebook: Tensor, metric: str) -> None:
    """Raises ``TypeError`` or ``ValueError`` naming the argument, the expected and the given."""
    checks.floating_tensor(NAME, "x", x)
    checks.floating_tensor(NAME, "codebook", codebook)
    if x.dim() < 1:
        raise ValueError(f"{NAME}: x must have shape '... d', got a single number")
    if codebook.dim() != 2 or codebook.shape[0] == 0 or codebook.shape[1] != x.shape[-1]:
        raise ValueError(
            f"{NAME}: codebook must have shape 'k d' with k > 0 and d = {x.shape[-1]} "
            f"(x is {list(x.shape)}), got {list(codebook.shape)}"
        )
    checks.same_device(NAME, "codebook", codebook, "x", x.device)
    if metric not in METRICS:
        raise ValueError(f"{NAME}: metric must be one of {', '.join(METRICS)}, got {metric!r}")
