"""Cross-entropy of a linear layer's outputs, which are never held all at once."""

from diptych_kernels.ops.linear_cross_entropy.operation import linear_cross_entropy


__all__ = ["linear_cross_entropy"]
