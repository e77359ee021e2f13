"""Norm of queries and keys and their rotation by position, fused: arXiv 2104.09864, 2302.05442."""

from diptych_kernels.ops.qk_norm_rope.operation import qk_norm_rope


__all__ = ["qk_norm_rope"]
