"""The product of a gated feed-forward network, fused: arXiv 2002.05202."""

from diptych_kernels.ops.swiglu.operation import swiglu


__all__ = ["swiglu"]
