"""Fused operations put into a given model, and taken out again."""

from diptych_kernels.fuse.report import FuseReport, Kept, Replaced
from diptych_kernels.fuse.swap import fuse_, unfuse_


__all__ = ["FuseReport", "Kept", "Replaced", "fuse_", "unfuse_"]
