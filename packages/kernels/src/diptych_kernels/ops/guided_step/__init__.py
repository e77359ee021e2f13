"""A step of a sampler with its guidance: ``arXiv 2207.12598``."""

from diptych_kernels.ops.guided_step.operation import guided_step


__all__ = ["guided_step"]
