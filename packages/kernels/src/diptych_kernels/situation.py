"""What a choice of implementation may depend on, and the common reasons against one."""

import importlib.metadata
import importlib.util
import os
import shutil
from dataclasses import dataclass
from functools import cache
from typing import Self

import torch
from torch import Tensor


TRITON_DTYPES = frozenset({torch.float32, torch.bfloat16, torch.float16})
OLDEST_TRITON = (3, 6)
OLDEST_CAPABILITY = (8, 0)


@dataclass(frozen=True)
class Situation:
    """One call, seen by the dispatcher.

    Attributes:
        device: Where the inputs are.
        dtypes: The dtypes among the inputs.
        width: Length of a row, or None while ``torch.compile`` traces (it may be symbolic).
        compiling: Whether ``torch.compile`` or ``torch.export`` is tracing the call.
    """

    device: torch.device
    dtypes: frozenset[torch.dtype]
    width: int | None = None
    compiling: bool = False

    @classmethod
    def of(cls, *tensors: Tensor | None, width: int | None = None) -> Self:
        """That of a call with these arguments, the first of which says where; None is absent."""
        compiling = torch.compiler.is_compiling()
        there = [tensor for tensor in tensors if tensor is not None]
        dtypes = frozenset([tensor.dtype for tensor in there])
        return cls(there[0].device, dtypes, None if compiling else width, compiling)


def triton_cannot_run(situation: Situation) -> str | None:
    """Why Triton kernels cannot run on these inputs, or None."""
    if (missing := triton_missing()) is not None:
        return missing
    unsupported = sorted(str(dtype) for dtype in situation.dtypes - TRITON_DTYPES)
    if unsupported:
        return f"the kernels take float32, bfloat16 and float16, not {', '.join(unsupported)}"
    if interpreting():
        return None
    if situation.device.type != "cuda":
        return (
            f"the inputs are on {situation.device.type}; Triton needs a CUDA or ROCm device "
            "(for tests on a CPU: TRITON_INTERPRET=1, set before triton is imported)"
        )
    return _device_too_old(situation.device)


def compiler_cannot_run(situation: Situation) -> str | None:
    """Why ``torch.compile`` cannot generate code for these inputs, or None."""
    if situation.device.type == "cuda":
        return triton_missing()
    if situation.device.type == "cpu" and cpp_compiler() is None:
        return "torch.compile needs a C++ compiler on a CPU: none of $CXX, g++, clang++, cl found"
    return None


@cache
def triton_missing() -> str | None:
    """Why triton cannot be imported, or None."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed (pip install 'diptych-kernels[triton]')"
    try:
        version = importlib.metadata.version("triton")
    except importlib.metadata.PackageNotFoundError:
        return None  # a build of another name, such as pytorch-triton-rocm, made for this torch
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_TRITON:
        return f"triton {version} is installed, {'.'.join(map(str, OLDEST_TRITON))} is needed"
    return None


@cache
def interpreting() -> bool:
    """Whether triton was imported with TRITON_INTERPRET=1: kernels then run on the CPU."""
    if triton_missing() is not None:
        return False
    import triton.language as tl
    from triton.runtime.interpreter import InterpretedFunction

    return isinstance(tl.sum, InterpretedFunction)


@cache
def cpp_compiler() -> str | None:
    """The C++ compiler that ``torch.compile`` would find, or None."""
    candidates = (os.environ.get("CXX"), "g++", "clang++", "cl")
    return next((path for name in candidates if name and (path := shutil.which(name))), None)


@cache
def _device_too_old(device: torch.device) -> str | None:
    if torch.version.hip is not None:
        return None
    capability = torch.cuda.get_device_capability(device)
    if capability < OLDEST_CAPABILITY:
        name = torch.cuda.get_device_name(device)
        return f"{name} has compute capability {capability}, {OLDEST_CAPABILITY} is needed"
    return None
