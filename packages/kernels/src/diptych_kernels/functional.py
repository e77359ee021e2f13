"""The operations as functions."""

from diptych_kernels.ops.gated_residual_norm import gated_residual_norm
from diptych_kernels.ops.nearest_code import nearest_code


__all__ = ["gated_residual_norm", "nearest_code"]
