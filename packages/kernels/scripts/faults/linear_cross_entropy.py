"""Faults in ``linear_cross_entropy``."""

from faults.fault import Fault


TESTS = ("test_linear_cross_entropy_properties.py",)

_OP = "ops/linear_cross_entropy/"
_KERNELS = _OP + "kernels.py"

FAULTS = (
    Fault("fold: columns beyond the tile count", _KERNELS,
          'logit = tl.where(live, logit, float("-inf"))', "logit = logit"),
    Fault("fold: mask one too long", _KERNELS,
          'live = column < columns\n        logit = tl.load(LOGITS + row * columns + column, '
          'mask=live, other=0.0)\n        if CAPPED:\n            logit',
          'live = column <= columns\n        logit = tl.load(LOGITS + row * columns + column, '
          'mask=live, other=0.0)\n        if CAPPED:\n            logit'),
    Fault("fold: the sum so far keeps its old maximum", _KERNELS,
          "total = total * before + tl.sum", "total = total + tl.sum"),
    Fault("fold: forgets the tiles before", _KERNELS,
          "total = tl.load(at + 1)", "total = 0.0"),
    Fault("fold: the label's logit has no cap", _KERNELS,
          "picked = soft_cap * tanh(picked / soft_cap)", "picked = picked"),
    Fault("fold: a label of another tile is looked up", _KERNELS,
          "there = (label >= 0) & (label < columns)", "there = label >= 0"),
    Fault("fold: label not relative to the tile", _KERNELS,
          "label = tl.load(LABELS + row).to(tl.int64) - start\n    there",
          "label = tl.load(LABELS + row).to(tl.int64)\n    there"),
    Fault("fold: exp in bfloat16", _KERNELS,
          "tl.sum(tl.exp(logit - shift), axis=0)",
          "tl.sum(tl.exp(logit - shift).to(tl.bfloat16).to(tl.float32), axis=0)"),
    Fault("gradient: the label's part is missing", _KERNELS,
          "found = tl.where(column == label, found - at_label, found)", "found = found"),
    Fault("gradient: not through the z-loss", _KERNELS,
          "through_lse = 1.0 + 2.0 * z_loss * lse", "through_lse = 1.0"),
    Fault("gradient: not through the cap", _KERNELS,
          "slope = 1.0 - bent * bent", "slope = 1.0 + 0.0 * bent"),
    Fault("gradient: smoothing forgotten", _KERNELS,
          "tl.exp(logit - lse) * through_lse - at_every", "tl.exp(logit - lse) * through_lse"),
    Fault("gradient: of the loss of row 0 for all", _KERNELS,
          "grad = tl.load(GRAD + row)", "grad = tl.load(GRAD)"),
    Fault("gradient: mask one too short", _KERNELS,
          "live = column < columns\n        logit = tl.load(LOGITS + row * columns + column, "
          "mask=live, other=0.0)\n        slope",
          "live = column < columns - 1\n        logit = tl.load(LOGITS + row * columns + column, "
          "mask=live, other=0.0)\n        slope"),
    Fault("tiles: the last words have no tile", _OP + "tiles.py",
          "for start in range(0, len(weight), each)]",
          "for start in range(0, max(1, len(weight) - each + 1), each)]"),
    Fault("tiles: ignored rows are kept", _OP + "tiles.py",
          "kept = (labels != ignore_index).nonzero()[:, 0]",
          "kept = (labels == labels).nonzero()[:, 0]"),
    Fault("tiles: gradient of x of the last tile alone", _OP + "tiles.py",
          "grad_rows += _product(found, words)", "grad_rows = _product(found, words)"),
    Fault("tiles: gradient of the weight summed in bfloat16", _OP + "tiles.py",
          "_product(found.mT, rows).to(weight.dtype)",
          "_product(found.mT, rows).bfloat16().to(weight.dtype)"),
    Fault("tiles: smoothing over the tile, not all words", _OP + "tiles.py",
          "label_smoothing * (lse - every / len(weight))",
          "label_smoothing * (lse - every / (chunk or len(weight)))"),
)  # fmt: skip
