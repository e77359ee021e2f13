# mypy: disable-error-code="no-untyped-call,untyped-decorator"
"""The Triton implementation: its registration with torch and its function. No gradient."""

import torch
from torch import Tensor

from diptych_kernels.ops.nearest_code.launch import launch_nearest_code
from diptych_kernels.registration import op_or_launcher


_LIBRARY = torch.library.Library("diptych_kernels", "FRAGMENT")
_LIBRARY.define(
    "nearest_code(Tensor x, Tensor codebook, bool cosine, bool distances) -> (Tensor, Tensor)"
)
for _key in ("CUDA", "CPU"):  # on a CPU the launcher works under TRITON_INTERPRET=1 alone
    _LIBRARY.impl("nearest_code", launch_nearest_code, _key)


@torch.library.register_fake("diptych_kernels::nearest_code", lib=_LIBRARY)
def _fake(x: Tensor, codebook: Tensor, cosine: bool, distances: bool) -> tuple[Tensor, Tensor]:
    rows = x.shape[0]
    indices = x.new_empty(rows, dtype=torch.int64)
    return indices, x.new_empty(rows if distances else 0, dtype=torch.float32)


def nearest_code_triton(
    x: Tensor, codebook: Tensor, metric: str, distances: bool
) -> tuple[Tensor, Tensor]:
    """As the reference, in three launches and without the matrix of distances."""
    run = op_or_launcher("nearest_code", launch_nearest_code)
    indices, found = run(x.detach(), codebook.detach(), metric == "cosine", distances)
    return indices, found
