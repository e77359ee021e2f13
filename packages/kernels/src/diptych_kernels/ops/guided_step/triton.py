# mypy: disable-error-code="no-untyped-call,untyped-decorator"
"""The Triton implementation: its registration with torch and its function. No gradient."""

from collections.abc import Callable

import torch
from torch import Tensor

from diptych_kernels.ops.guided_step.launch import launch_step


_LIBRARY = torch.library.Library("diptych_kernels", "FRAGMENT")
_LIBRARY.define(
    "guided_step(Tensor x, Tensor conditional, Tensor? null, Tensor? before, Tensor dt, "
    "Tensor scale, Tensor ratio, float rescale, bool velocity) -> (Tensor, Tensor)"
)
for _key in ("CUDA", "CPU"):  # on a CPU the launcher works under TRITON_INTERPRET=1 alone
    _LIBRARY.impl("guided_step", launch_step, _key)


@torch.library.register_fake("diptych_kernels::guided_step", lib=_LIBRARY)
def _fake(
    x: Tensor,
    conditional: Tensor,
    null: Tensor | None,
    before: Tensor | None,
    dt: Tensor,
    scale: Tensor,
    ratio: Tensor,
    rescale: float,
    velocity: bool,
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(x.shape if velocity else 0)


def guided_step_triton(
    x: Tensor,
    conditional: Tensor,
    null: Tensor | None,
    before: Tensor | None,
    dt: float | Tensor,
    scale: float | Tensor,
    ratio: float | Tensor,
    rescale: float,
    velocity: bool,
) -> tuple[Tensor, Tensor]:
    """As the reference in one launch, or two to rescale. The velocity is ``[0]`` if not wanted."""
    run: Callable[..., tuple[Tensor, Tensor]] = launch_step
    if torch.compiler.is_compiling():  # an op's numbers would be compiled in
        dt, scale, ratio = (
            a if isinstance(a, Tensor) else x.new_full((), a) for a in (dt, scale, ratio)
        )
        run = torch.ops.diptych_kernels.guided_step
    return run(x, conditional, null, before, dt, scale, ratio, rescale, velocity)
