"""Writing pictures id by id: our head and backbone against transformers' Janus, at equal sizes.

    python -m diptych_heads.benchmarks.image_ids [--sides 8 16 24] [--batch 4] [--repeats 3]

Both have the same language model (Llama's layers), the same tables for ids and classifier-free
guidance in one batch; both sample. The two take turns; the median of the repeats is shown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from diptych.backbones.hf_causal_lm import HFCausalLMSpec
from diptych.seeds import generators
from diptych_heads.autoregressive.specs import Autoregressive
from diptych_heads.guidance.specs import ClassifierFree


WIDTH, LAYERS, HEADS, MLP, CODES, WORDS, PROMPT = 256, 4, 4, 688, 1024, 64, 32


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[8, 16, 24])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {asked.batch}")
    print("ids | ours ms/id | transformers ms/id | ours / transformers")
    for side in asked.sides:
        runs = [ours(side, asked.batch), janus(side, asked.batch)]
        times: list[list[float]] = [[], []]
        for run in runs:
            run()
        for _ in range(asked.repeats):
            for own, run in zip(times, runs, strict=True):
                start = time.process_time()
                run()
                own.append((time.process_time() - start) / side**2 * 1000)
        first, second = (median(each) for each in times)
        print(f"{side**2:4d} | {first:.2f} | {second:.2f} | {first / second:.2f}", flush=True)


def ours(side: int, batch: int) -> Callable[[], Any]:
    """Return what writes a batch of pictures with our head."""
    backbone = HFCausalLMSpec(
        model_type="llama",
        width=WIDTH,
        layers=LAYERS,
        heads=HEADS,
        mlp_width=MLP,
        tied=False,
        vocabulary=WORDS,
    ).build()
    spec = Autoregressive(codes=CODES, condition_width=WIDTH, height=side, width=side)
    head: Any = spec.build()
    guidance = ClassifierFree(scale=5.0).build()
    ids = torch.randint(3, WORDS, (batch, PROMPT))

    def run() -> Any:
        with torch.inference_mode():
            prompt = backbone.embed(ids)
            own = generators(range(batch))
            return head.sample(prompt, None, own, guidance=guidance, backbone=backbone)

    return run


def janus(side: int, batch: int) -> Callable[[], Any]:
    """Return what writes a batch of pictures with transformers' Janus."""
    from transformers import JanusConfig, JanusForConditionalGeneration

    config = JanusConfig(
        text_config={
            "hidden_size": WIDTH,
            "intermediate_size": MLP,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "vocab_size": WORDS,
            "max_position_embeddings": 4096,
            "bos_token_id": 1,
            "pad_token_id": 0,
        },
        vision_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 16 * side,
            "num_image_tokens": side**2,
            "projection_dim": WIDTH,
        },
        vq_config={
            "num_embeddings": CODES,
            "projection_dim": WIDTH,
            "image_token_embed_dim": WIDTH,
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "num_res_blocks": 1,
        },
    )
    model = JanusForConditionalGeneration(config).eval()
    model.generation_config.generation_kwargs = {"boi_token_id": 2}
    model.generation_config.bos_token_id, model.generation_config.pad_token_id = 1, 0
    ids = torch.randint(3, WORDS, (batch, PROMPT))

    def run() -> Any:
        return model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            generation_mode="image",
            do_sample=True,
            guidance_scale=5.0,
            max_length=PROMPT + side**2,
        )

    return run


if __name__ == "__main__":
    main()
