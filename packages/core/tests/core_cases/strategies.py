"""Random specs and random rubbish, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from diptych.backbones.hf_causal_lm import HFCausalLMSpec
from diptych.backbones.plain_transformer import PlainTransformerSpec
from diptych.conditions.specs import Concat, LatentQueries, PromptStates
from diptych.connectors.per_token import LinearConnector, MlpConnector
from diptych.spec.model import Decode, GenerateStep, ModelSpec, Prompt, Understand
from diptych.tokenizers.bytes import BytesTokenizer
from diptych.vision.linear_readout import LinearReadout
from diptych.vision.patches import Patches
from diptych.vision.unpatch import Unpatch


names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
small = st.integers(1, 8)
sizes = st.none() | st.integers(1, 4096)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def backbones(draw: Any) -> Any:
    heads = draw(st.sampled_from([1, 2, 4]))
    width = 2 * heads * draw(st.integers(1, 4))
    if draw(st.booleans()):
        return PlainTransformerSpec(
            width=width,
            layers=draw(small),
            heads=heads,
            mlp_ratio=draw(st.floats(0.5, 8, allow_nan=False)),
            vocabulary=draw(sizes),
        )
    return HFCausalLMSpec(
        model_type=draw(st.sampled_from(["qwen3", "llama"])),
        width=width,
        layers=draw(small),
        heads=heads,
        kv_heads=draw(st.none() | st.just(1)),
        tied=draw(st.booleans()),
        attention=draw(st.sampled_from(["sdpa", "eager"])),
        extra=draw(st.dictionaries(names, json_data, max_size=2)),
        vocabulary=draw(sizes),
    )


patches = st.tuples(small, small).map(lambda n: Patches(image_size=n[0] * n[1], patch_size=n[1]))
connectors = st.builds(LinearConnector, in_width=sizes, out_width=sizes) | st.builds(
    MlpConnector, hidden=sizes, positions=st.booleans(), in_width=sizes, out_width=sizes
)
conditions = st.recursive(
    st.builds(LatentQueries, count=st.integers(1, 64), width=sizes) | st.builds(PromptStates, width=sizes),
    lambda inner: st.builds(Concat, of=st.lists(inner, min_size=1, max_size=3).map(tuple)),
    max_leaves=4,
)
prompts = st.builds(
    Prompt,
    turn=st.sampled_from(["<|{role}|>{content}<|end|>", "[{role}] {content}\n", "{role}: {content}<|stop|>\n"]),
    system=words,
    paint=st.sampled_from(["{prompt}", "Draw: {prompt}!"]),
    token_ids=st.dictionaries(words, st.integers(0, 999), max_size=3),
)
json_data: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def model_specs(draw: Any) -> ModelSpec:
    """Random model specs of core's parts: valid to write and read; whether their sizes fit is another question."""
    vision = draw(st.dictionaries(names, patches, max_size=3))
    steps = draw(st.lists(names, unique=True, max_size=3)) if vision else []
    pick = st.sampled_from(sorted(vision)) if vision else st.nothing()
    generate = tuple(
        GenerateStep(
            name=name,
            condition=draw(conditions),
            target=draw(pick),
            head=draw(st.builds(LinearReadout, condition_width=sizes, channels=sizes)),
        )
        for name in steps
    )
    decoder = st.none() | st.builds(Unpatch, patch_size=small, hidden=small, channels=sizes, grid=sizes)
    understand = st.builds(Understand, encoder=pick, connector=st.none() | connectors) if vision else st.none()
    decode = st.builds(Decode, of=st.sampled_from(steps), decoder=decoder) if steps else st.none()
    return ModelSpec(
        name=draw(words),
        backbone=draw(backbones()),
        tokenizer=BytesTokenizer(special=tuple(draw(st.lists(words, max_size=2)))),
        prompt=draw(prompts),
        vision=vision,
        understand=draw(st.none() | understand),
        generate=generate,
        decode=draw(st.none() | decode),
    )


rubbish: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([10**400, -1, 0, float("nan"), float("inf"), "", "type", "bytes", "\x00", "a" * 300, b"x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6)
            | st.sampled_from(["type", "name", "preset", "extends", "vision", "of"])
            | st.integers(),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@st.composite
def mutations(draw: Any, data: Any) -> Any:
    """Change a few places of valid plain data into something else: keys dropped, renamed or doubled, values rubbish."""
    for _ in range(draw(st.integers(1, 3))):
        data = _mutate(draw, data)
    return data


def _mutate(draw: Any, data: Any) -> Any:
    if isinstance(data, dict) and data and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(data, key=str)))
        what = draw(st.sampled_from(["inside", "inside", "inside", "drop", "rename", "add"]))
        rest = {k: v for k, v in data.items() if k != key}
        if what == "drop":
            return rest
        if what == "rename":
            return {**rest, draw(st.text(max_size=8) | st.integers()): data[key]}
        if what == "add":
            return {**data, draw(st.text(max_size=8) | st.sampled_from(["preset", "type", "name"])): draw(rubbish)}
        return {**rest, key: _mutate(draw, data[key])}
    if isinstance(data, list) and data and draw(st.booleans()):
        place = draw(st.integers(0, len(data) - 1))
        return [*data[:place], _mutate(draw, data[place]), *data[place + 1 :]]
    return draw(rubbish)
