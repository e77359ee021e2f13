"""What ``qk_norm_rope`` accepts."""

from collections.abc import Sequence

from torch import Tensor

from diptych_kernels import checks


NAME = "qk_norm_rope"
MOST_ELEMENTS = 4096  # of q or of k held in registers: more spill (reports/compile)
NORMS = (None, "head", "row")
PAIRS = ("halves", "adjacent")


def check(
    q: Tensor,
    k: Tensor | None,
    cos: Tensor,
    sin: Tensor,
    q_weight: Tensor | None,
    k_weight: Tensor | None,
    q_bias: Tensor | None,
    k_bias: Tensor | None,
    norm: str | None,
    pairs: str,
    eps: float,
) -> None:
    """Raises ``TypeError`` or ``ValueError`` naming the argument, the expected and the given."""
    _one_of("norm", norm, NORMS)
    _one_of("pairs", pairs, PAIRS)
    checks.floating_tensor(NAME, "q", q)
    if q.dim() != 4:
        raise ValueError(f"{NAME}: q must have shape 'b n h d', got {list(q.shape)}")
    batch, tokens, _, width = q.shape
    if width % 2:
        raise ValueError(f"{NAME}: q must have an even d, to turn pairs of channels, got {width}")
    if k is not None:
        checks.floating_tensor(NAME, "k", k)
        like = f"q is {list(q.shape)}"
        if k.dim() != 4:
            raise ValueError(f"{NAME}: k must have shape 'b n g d', got {list(k.shape)}")
        expected = (batch, tokens, k.shape[2], width)
        checks.shape(NAME, "k", k, "b n g d", expected, like)
        checks.same_device(NAME, "k", k, "q", q.device)
    _check_table(q, cos, sin)
    _check_norm("q", q, q_weight, q_bias, norm)
    _check_norm("k", k, k_weight, k_bias, norm)
    checks.epsilon(NAME, eps)


def _check_table(q: Tensor, cos: Tensor, sin: Tensor) -> None:
    batch, tokens, _, width = q.shape
    for argument, value in (("cos", cos), ("sin", sin)):
        checks.floating_tensor(NAME, argument, value)
        one = value.dim() == 3
        axes = "b n p" if one else "n p"
        expected = (batch, tokens, width // 2)[not one :]
        like = f"q is {list(q.shape)}, p is d/2; one angle for each pair of channels"
        checks.shape(NAME, argument, value, axes, expected, like)
        checks.same_device(NAME, argument, value, "q", q.device)
        if value.requires_grad:
            raise ValueError(f"{NAME}: {argument} is constant and gets no gradient: detach it")
    checks.shape(NAME, "sin", sin, "as cos", cos.shape, f"cos is {list(cos.shape)}")


def _check_norm(
    of: str, a: Tensor | None, weight: Tensor | None, bias: Tensor | None, norm: str | None
) -> None:
    for argument, value in ((f"{of}_weight", weight), (f"{of}_bias", bias)):
        bias_here = argument.endswith("bias")
        if value is None:
            if norm is not None and a is not None and not bias_here:
                raise TypeError(f"{NAME}: norm={norm!r} needs {argument}, got None")
            continue
        if a is None:
            raise ValueError(f"{NAME}: {argument} is given, but {of} is None")
        if norm is None or (bias_here and norm == "head"):
            raise ValueError(f"{NAME}: norm={norm!r} has no {argument}; leave it None")
        checks.floating_tensor(NAME, argument, value)
        heads, width = a.shape[2:]
        axes, expected = ("d", (width,)) if norm == "head" else (
            f"({'h' if of == 'q' else 'g'} d)", (heads * width,))  # fmt: skip
        checks.shape(NAME, argument, value, axes, expected, f"{of} is {list(a.shape)}")
        checks.same_device(NAME, argument, value, "q", a.device)


def _one_of(argument: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        names = ", ".join(map(repr, choices))
        raise ValueError(f"{NAME}: {argument} must be one of {names}, got {value!r}")
