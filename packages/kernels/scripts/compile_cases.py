"""What the compile report compiles: each kernel at the sizes and flags of real models."""

from dataclasses import dataclass
from typing import Any

from diptych_kernels.ops.gated_residual_norm.kernels import backward_kernel, forward_kernel
from diptych_kernels.ops.gated_residual_norm.launch import backward_rows, launch_for


DTYPES = ("bf16", "fp32")
TOKENS, BATCH = 64, 128


@dataclass(frozen=True)
class GatedResidualNormCase:
    """One kernel, one width, all flags (``lumina``) or none (``residual add``)."""

    name: str
    kernel: Any
    width: int
    full: bool

    @property
    def flags(self) -> str:
        """In words."""
        return "lumina" if self.full else "residual add"

    def warps(self, wave: int) -> int:
        """As launched."""
        return launch_for(self.width).warps(wave)

    def pointers(self, dtype: str) -> dict[str, str]:
        """Element types of all tensor arguments."""
        optional = dtype if self.full else "none"
        types = dict.fromkeys(("X", "WEIGHT", "H", "Z", "GRAD_H", "GRAD_Z", "GRAD_X"), dtype)
        types |= dict.fromkeys(("BRANCH_WEIGHT", "GATE", "SCALE", "GRAD_Y"), optional)
        types["Y"] = dtype if self.full or self.kernel is forward_kernel else "none"
        return types | {"NORM_SUMS": "fp32", "BRANCH_SUMS": "fp32" if self.full else "none"}

    def numbers(self) -> dict[str, object]:
        """All other arguments, for contiguous tensors."""
        present = int(self.full)
        numbers: dict[str, object] = {}
        for tensor in ("x", "y", "h", "grad_h", "grad_z"):
            strides = (TOKENS * self.width, self.width, 1)
            numbers |= {f"{tensor}_{axis}": s for axis, s in zip("bnd", strides, strict=True)}
        for tensor in ("gate", "scale"):
            numbers |= {f"{tensor}_b": self.width * present, f"{tensor}_d": present}
        rows = TOKENS if self.full else TOKENS * BATCH
        each = backward_rows(rows, TOKENS * BATCH)
        return numbers | {
            "weight_d": 1,
            "branch_weight_d": present,
            "tokens": TOKENS,
            "width": self.width,
            "eps": 1e-6,
            "rows_in_group": rows,
            "programs_in_group": rows // each,
            "ROWS": each,
            "BLOCK": launch_for(self.width).block,
        }


CASES = tuple(
    GatedResidualNormCase(f"gated_residual_norm {name}", kernel, width, full)
    for name, kernel in (("forward", forward_kernel), ("backward", backward_kernel))
    for width, full in ((1792, True), (1793, True), (3584, False), (4096, True))
)
