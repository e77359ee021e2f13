"""What this package registers, and what every one of its specs promises."""

import subprocess
import sys

import attrs
import pytest
from head_cases.small import HEADS

from diptych.plugins import PluginSource, load_plugins
from diptych.ports import match_ports
from diptych.spec.part import PartSpec
from diptych_heads import plugin
from diptych_heads.heads.specs import FlowMatching
from diptych_heads.networks.specs import Dit, LuminaNext


REGISTRY = load_plugins(
    [PluginSource("heads", "diptych-heads", "0", lambda: plugin)], strict=True
).registry
ENTRIES = [
    pytest.param(each, id=f"{each.kind}:{each.component.name}") for each in REGISTRY.entries()
]


def test_names():
    found = {kind: REGISTRY.names(kind) for kind in ("head", "network", "sampler", "decoder")}
    assert found == {
        "head": [
            "autoregressive",
            "diffusion",
            "flow-matching",
            "linear",
            "next-token",
            "regression",
        ],
        "network": ["dit", "lumina-next", "mlp", "sana", "sdxl-unet"],
        "sampler": ["ab2", "abm", "ddim", "dpm++2m", "euler", "euler-discrete", "heun", "midpoint"],
        "decoder": ["conv-pixels", "diffusion", "patch-mlp"],
    }


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_spec_is_documented_data(entry):
    spec = entry.load()
    assert issubclass(spec, PartSpec)
    assert spec.kind == entry.kind
    assert entry.component.summary
    assert spec.__doc__
    for field in attrs.fields(spec):
        assert field.metadata.get("doc"), field.name


def test_specs_import_no_torch():
    lines = [
        "import sys",
        "from diptych_heads import plugin",
        "from diptych.plugins import PluginSource, load_plugins",
        "source = PluginSource('heads', 'diptych-heads', '0', lambda: plugin)",
        "registry = load_plugins([source], strict=True).registry",
        "specs = [entry.load() for entry in registry.entries()]",
        "assert len(specs) >= 19, len(specs)",
        "assert 'torch' not in sys.modules",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


@pytest.mark.parametrize("name", HEADS)
def test_heads_resolve_their_networks(name):
    head = HEADS[name]
    parts, connections = {"head": head}, []
    if isinstance(head, FlowMatching):
        from diptych.ports import Connection

        empty = dict.fromkeys(("channels", "height", "width", "condition_width"))
        parts["head.network"] = attrs.evolve(head.network, **empty)
        connections = [
            Connection(f"head.{own}", f"head.{inner}") for own, inner in head.ports().inside
        ]
    ports = {path: part.ports() for path, part in parts.items()}
    table, mismatches = match_ports(parts, ports, connections)
    assert not mismatches
    for path in parts:
        sizes = [table.size((path, axis)) for axis in ("channels", "height", "width")]
        assert sizes == [6, 2, 4]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LuminaNext(hidden_width=100, heads=6), "multiple of 4"),
        (lambda: LuminaNext(hidden_width=96, heads=6, kv_heads=4), "must divide"),
        (lambda: Dit(hidden_width=100, heads=6), "equal heads"),
        (lambda: FlowMatching(network=Dit(), drop_condition=1.5), "drop_condition"),
    ],
)
def test_impossible_sizes(make, message):
    with pytest.raises(ValueError, match=message):
        make()
