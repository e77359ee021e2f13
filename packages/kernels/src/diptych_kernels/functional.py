"""The operations as functions."""

from diptych_kernels.ops.flow_matching import flow_interpolate, flow_matching_loss
from diptych_kernels.ops.gated_residual_norm import gated_residual_norm
from diptych_kernels.ops.guided_step import guided_step
from diptych_kernels.ops.linear_cross_entropy import linear_cross_entropy
from diptych_kernels.ops.merge_features import merge_features
from diptych_kernels.ops.nearest_code import nearest_code
from diptych_kernels.ops.qk_norm_rope import qk_norm_rope
from diptych_kernels.ops.swiglu import swiglu


__all__ = [
    "flow_interpolate",
    "flow_matching_loss",
    "gated_residual_norm",
    "guided_step",
    "linear_cross_entropy",
    "merge_features",
    "nearest_code",
    "qk_norm_rope",
    "swiglu",
]
