"""Faults in ``merge_features``."""

from faults.fault import Fault


TESTS = ("test_merge_features_properties.py", "test_merge_features_large_offsets.py")

_OP = "ops/merge_features/"
_KERNELS = _OP + "kernels.py"

FAULTS = (
    Fault("both: a span counts its own tokens as before it", _KERNELS,
          "tl.cumsum(length, axis=0) - length", "tl.cumsum(length, axis=0)"),
    Fault("both: a negative length takes tokens back", _KERNELS,
          "length = tl.maximum(length, 0)", "length = length"),
    Fault("both: row and start swapped", _KERNELS,
          "start = tl.load(at + span_i, mask=live, other=0)",
          "start = tl.load(at, mask=live, other=0)"),
    Fault("forward: a span is one too long", _KERNELS,
          "here = (row == b) & (start <= s) & (s < start + count)",
          "here = (row == b) & (start <= s) & (s <= start + count)"),
    Fault("forward: any row", _KERNELS,
          "here = (row == b) & (start <= s)", "here = (start <= s)"),
    Fault("forward: tokens that are not there", _KERNELS,
          "(s < start + count) & (token < tokens)", "(s < start + count)"),
    Fault("forward: the first of two spans", _KERNELS,
          "last = tl.max(tl.where(here, span, -1), axis=0)",
          "last = tl.min(tl.where(here, span, BLOCK_SPANS), axis=0)\n"
          "    last = tl.where(last == BLOCK_SPANS, -1, last)"),
    Fault("forward: embeds shine through", _KERNELS,
          "out = tl.where(covered, feature.to(out.dtype), out)", "out = feature.to(out.dtype)"),
    Fault("forward: mask of columns one too long", _KERNELS,
          "live = column < width\n        d = column.to(tl.int64)\n        at = EMBEDS",
          "live = column <= width\n        d = column.to(tl.int64)\n        at = EMBEDS"),
    Fault("forward: offsets in int32", _KERNELS,
          "d = column.to(tl.int64)\n        at = EMBEDS", "d = column\n        at = EMBEDS"),
    Fault("forward: row offset in int32", _KERNELS,
          "b = (place // length).to(tl.int64)", "b = place // length"),
    Fault("gradient of features: the span before its own", _KERNELS,
          "own = (before <= token) & (token < before + count)",
          "own = (before < token) & (token <= before + count)"),
    Fault("gradient of features: what is overwritten has one too", _KERNELS,
          "hidden = tl.max(tl.where(over, 1, 0), axis=0) > 0",
          "hidden = tl.max(tl.where(over, 0, 0), axis=0) > 0"),
    Fault("gradient of features: hidden by what came before", _KERNELS,
          "& (span > owner)", "& (span != owner)"),
    Fault("gradient of features: hidden by a token that is not there", _KERNELS,
          "over = over & (before + s - start < tl.num_programs(0))", "over = over"),
    Fault("gradient of features: positions outside are read", _KERNELS,
          "(s >= 0) & (s < length) & (hidden == 0)", "(hidden == 0)"),
    Fault("gradient of features: mask of columns one too short", _KERNELS,
          "live = column < width\n        d = column.to(tl.int64)\n        read",
          "live = column < width - 1\n        d = column.to(tl.int64)\n        read"),
)  # fmt: skip
