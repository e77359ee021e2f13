"""The two elementwise passes of flow-matching training, fused: arXiv 2210.02747."""

from diptych_kernels.ops.flow_matching.operation import flow_interpolate, flow_matching_loss


__all__ = ["flow_interpolate", "flow_matching_loss"]
