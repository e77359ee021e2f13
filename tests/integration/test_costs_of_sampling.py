"""FLOPs of sampling: every kind of call runs once, and the count is that of running them all."""

from contextlib import nullcontext

import pytest
import torch

from diptych.costs import costs
from diptych.counting import Counter
from diptych.spec.model import ModelSpec
from diptych.spec.structure import structure
from diptych.spec.wiring import resolve


SHARED = {
    "name": "tiny",
    "backbone": {"type": "hf-causal-lm", "width": 16, "layers": 2, "heads": 2},
    "tokenizer": {"type": "bytes"},
}
GUIDED = {"type": "classifier-free", "scale": 2.0}
WRITER = {
    **SHARED,
    "vision": {
        "vq": {
            **{"type": "vq", "image_size": 16, "vocabulary": 11, "code_width": 4},
            **{"widths": [32, 32], "blocks": 1, "latent_width": 4},
        }
    },
    "generate": [
        {
            "name": "ids",
            "condition": {"type": "prompt-states"},
            "target": "vq",
            "head": {"type": "autoregressive", "codes": 11},
            "guidance": GUIDED,
        }
    ],
    "decode": {"of": "ids"},
}
DENOISER = {
    **SHARED,
    "vision": {"eye": {"type": "patches", "image_size": 16, "patch_size": 8}},
    "generate": [
        {
            "name": "features",
            "condition": {"type": "latent-queries", "count": 4},
            "target": "eye",
            "head": {
                "type": "flow-matching",
                "network": {"type": "lumina-next", "hidden_width": 16, "layers": 1, "heads": 2, "ffn_multiple_of": 8},
            },
            "sampler": {"type": "heun", "steps": 7},
            "guidance": {**GUIDED, "start": 0.8, "end": 0.3},
        }
    ],
}


@pytest.mark.parametrize("data", [WRITER, DENOISER], ids=["ids", "denoiser"])
def test_the_count_is_that_of_running_everything(data, monkeypatch):
    resolved = resolve(structure(data, ModelSpec))
    quick = costs(resolved).flops
    with monkeypatch.context() as patched:
        patched.setattr(Counter, "_replaced", lambda *_: nullcontext())
        whole = costs(resolved).flops
    assert quick == whole
    assert quick["image generated"] > 0


def test_a_long_picture_is_counted_in_few_calls(monkeypatch):
    """A picture of 64 ids takes three passes of the backbone, not 64."""
    from diptych.backbones.hf_module import HFCausalLM

    calls = []
    run = HFCausalLM.forward
    monkeypatch.setattr(HFCausalLM, "forward", lambda self, *args: (calls.append(args[0].shape), run(self, *args))[1])
    costs(resolve(structure(WRITER, ModelSpec)))
    written = [shape for shape in calls if shape[0] == 2]  # the prompt and its null
    assert written == [torch.Size([2, 32, 16]), torch.Size([2, 1, 16]), torch.Size([2, 1, 16])]
