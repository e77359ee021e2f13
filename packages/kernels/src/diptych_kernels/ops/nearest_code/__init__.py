"""Nearest code of a codebook: vector quantisation, ``arXiv 1711.00937``."""

from diptych_kernels.ops.nearest_code.operation import nearest_code


__all__ = ["nearest_code"]
