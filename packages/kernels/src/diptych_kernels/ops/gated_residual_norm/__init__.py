"""Gated residual norm followed by a modulated norm, fused: ``arXiv 2406.18583``."""

from diptych_kernels.ops.gated_residual_norm.operation import gated_residual_norm


__all__ = ["gated_residual_norm"]
