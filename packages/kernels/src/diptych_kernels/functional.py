"""The operations as functions."""

from diptych_kernels.ops.gated_residual_norm import gated_residual_norm


__all__ = ["gated_residual_norm"]
