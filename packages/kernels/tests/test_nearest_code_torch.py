"""Life among torch's own machinery: registration, compilation, export."""

import pytest
import torch
from kernel_tests import machinery
from kernel_tests.devices import DEVICE, IMPLEMENTATIONS, needs_triton
from torch import Tensor

from diptych_kernels import nearest_code


def _inputs(rows: int = 4, codes: int = 5) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(rows)
    x, codebook = (torch.randn(n, 8, generator=random).to(DEVICE) for n in (rows, codes))
    return x.requires_grad_(), codebook


@needs_triton
@pytest.mark.parametrize("distances", [False, True])
@pytest.mark.parametrize("cosine", [False, True])
def test_registration_passes_opcheck(cosine: bool, distances: bool) -> None:
    from diptych_kernels.ops.nearest_code import triton  # noqa: F401

    x, codebook = _inputs()
    arguments = (x.detach(), codebook.bfloat16(), cosine, distances)
    torch.library.opcheck(torch.ops.diptych_kernels.nearest_code.default, arguments)


@pytest.mark.parametrize("implementation", [*IMPLEMENTATIONS, "compile"])
def test_compiles_as_one_graph_with_any_number_of_rows(implementation: str) -> None:
    def search(x: Tensor, codebook: Tensor) -> tuple[Tensor, Tensor]:
        return nearest_code(x, codebook, return_distances=True, implementation=implementation)

    compiled, graphs = machinery.one_graph(search)
    after_first = 0
    for rows, codes in ((4, 5), (7, 9), (3, 6)):
        expected = nearest_code(*_inputs(rows, codes), return_distances=True)
        torch.testing.assert_close(compiled(*_inputs(rows, codes)), expected)
        after_first = after_first or len(graphs)
    assert len(graphs) == after_first > 0


@needs_triton
def test_exports() -> None:
    class Quantiser(torch.nn.Module):
        def forward(self, x: Tensor, codebook: Tensor) -> Tensor:
            return nearest_code(x, codebook, implementation="triton")

    x, codebook = _inputs()
    rows = {0: torch.export.Dim("rows", min=2, max=64)}
    program = torch.export.export(Quantiser(), (x, codebook), dynamic_shapes=(rows, None))
    longer = torch.cat([x, -x]), codebook
    assert torch.equal(program.module()(*longer), Quantiser()(*longer))
