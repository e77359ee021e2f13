"""Features of pictures in the place of their placeholders among token embeddings."""

from diptych_kernels.ops.merge_features.operation import merge_features


__all__ = ["merge_features"]
