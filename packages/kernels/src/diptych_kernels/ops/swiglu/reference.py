"""Definition and oracle of ``swiglu``."""

import torch
from torch import Tensor
from torch.nn.functional import silu


def swiglu_reference(gate: Tensor, up: Tensor) -> Tensor:
    """Gates one projection of a feed-forward network with another.

        out = silu(gate) * up        silu(a) = a / (1 + exp(-a))

    Shapes: gate, up, out ``b n f``.

    Dtypes: float32, bfloat16, float16, float64, which may differ. Computed in float32 (float64 if
    an argument is) and rounded once, to the dtype of gate. It is thereby both the SwiGLU of Llama
    and Qwen and the float32 SiLU of Lumina, which round ``silu(gate)`` once more in between.

    Source: arXiv 2002.05202, eq. 6.
    """
    wide = torch.float64 if torch.float64 in (gate.dtype, up.dtype) else torch.float32
    return (silu(gate.to(wide)) * up.to(wide)).to(gate.dtype)
