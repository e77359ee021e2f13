"""Compiles Triton kernels for devices that are not there, and reads what the assembler says."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource


TARGETS = {
    "sm_80": GPUTarget("cuda", 80, 32),
    "sm_90": GPUTarget("cuda", 90, 32),
    "sm_100": GPUTarget("cuda", 100, 32),
    "gfx942": GPUTarget("hip", "gfx942", 64),
}
_MATRIX = {9: r"wgmma\.mma_async", 10: r"tcgen05\.mma"}


@dataclass(frozen=True)
class Compiled:
    """What one kernel needs on one device.

    Attributes:
        registers: For each thread.
        shared: Bytes of shared memory for each program.
        spills: Bytes stored to or loaded from local memory because registers ran out.
        wide_loads: Global loads of 16 bytes or more.
        matrix: Tensor core instructions: wgmma on sm_90, tcgen05 on sm_100, else mma or mfma.
    """

    registers: int
    shared: int
    spills: int
    wide_loads: int
    matrix: int


def compile_kernel(
    kernel: Any, pointers: dict[str, str], numbers: dict[str, object], target: GPUTarget, warps: int
) -> Compiled:
    """Compiles for ``target`` as the launcher would specialise it.

    Args:
        kernel: A ``triton.jit`` function.
        pointers: Element type of each tensor argument, such as ``bf16``, or ``none`` if absent.
        numbers: Value of each other argument: integers and floats are typed, and marked
            divisible by 16 or compiled in where they are 1; constexprs pass as they are.
        target: The device.
        warps: Of each program.
    """
    signature: dict[str, str] = {}
    constants: dict[str, object] = {}
    attributes: dict[tuple[int, ...], list[list[object]]] = {}
    constexprs = {kernel.arg_names[i] for i in kernel.constexprs}
    for index, name in enumerate(kernel.arg_names):
        value: object = pointers.get(name, numbers.get(name))
        if name in constexprs or (value in ("none", 1) and not isinstance(value, float)):
            signature[name] = "constexpr"
            constants[name] = None if value == "none" else value
        elif name in pointers:
            signature[name] = f"*{value}"
            attributes[(index,)] = [["tt.divisibility", 16]]
        elif isinstance(value, float):
            signature[name] = "fp32"
        elif isinstance(value, int):
            signature[name] = "i32"
            if value % 16 == 0:
                attributes[(index,)] = [["tt.divisibility", 16]]
        else:
            raise KeyError(f"{kernel.__name__}: no value was given for the argument {name}")
    result = triton.compile(
        ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=attributes),
        target=target,
        options={"num_warps": warps, "enable_fp_fusion": True},
    )
    shared = result.metadata.shared
    if target.backend == "hip":
        return _read_amdgcn(result.asm["amdgcn"], shared)
    return _assemble(result.asm["ptx"], int(target.arch), shared)


def _assemble(ptx: str, capability: int, shared: int) -> Compiled:
    architecture = re.search(r"\.target (\w+)", ptx)
    assert architecture is not None, "PTX without a target"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        command = [get_ptxas(capability).path, "-v", f"-arch={architecture[1]}", str(source)]
        said = subprocess.run(
            [*command, "-o", str(source.with_suffix(".cubin"))],
            check=True,
            capture_output=True,
            text=True,
        ).stderr
    registers = re.search(r"Used (\d+) registers", said)
    assert registers is not None, said
    spilled = sum(int(count) for count in re.findall(r"(\d+) bytes spill", said))
    wide = len(re.findall(r"ld\.global\S*\.v4\.b32|ld\.global\S*\.v2\.b64|ld\.global\S*\.v8", ptx))
    matrix = len(re.findall(rf"\s{_MATRIX.get(capability // 10, 'mma.sync')}", ptx))
    return Compiled(int(registers[1]), shared, spilled, wide, matrix)


def _read_amdgcn(assembly: str, shared: int) -> Compiled:
    def count(field: str) -> int:
        found = re.search(rf"\.{field}:\s+(\d+)", assembly)
        assert found is not None, f"amdgcn without .{field}"
        return int(found[1])

    wide = len(re.findall(r"(?:global|buffer)_load_dwordx4", assembly))
    matrix = len(re.findall(r"v_mfma", assembly))
    return Compiled(count("vgpr_count"), shared, count("vgpr_spill_count"), wide, matrix)
