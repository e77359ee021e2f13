"""Fused operations for unified multimodal models, proved before they are fast."""

from diptych_kernels.choice import use
from diptych_kernels.dispatch import Explanation, Rejection
from diptych_kernels.errors import ImplementationUnavailableError
from diptych_kernels.explain import explain, operations
from diptych_kernels.functional import (
    flow_interpolate,
    flow_matching_loss,
    gated_residual_norm,
    guided_step,
    linear_cross_entropy,
    merge_features,
    nearest_code,
    qk_norm_rope,
    swiglu,
)
from diptych_kernels.fuse import FuseReport, fuse_, unfuse_
from diptych_kernels.modules import GatedResidualNorm, QkNormRope


__version__ = "0.1.0"

__all__ = [
    "Explanation",
    "FuseReport",
    "GatedResidualNorm",
    "ImplementationUnavailableError",
    "QkNormRope",
    "Rejection",
    "explain",
    "flow_interpolate",
    "flow_matching_loss",
    "fuse_",
    "gated_residual_norm",
    "guided_step",
    "linear_cross_entropy",
    "merge_features",
    "nearest_code",
    "operations",
    "qk_norm_rope",
    "swiglu",
    "unfuse_",
    "use",
]
