"""Core's own parts, registered through the same hooks that it offers to others."""

from __future__ import annotations

from diptych.hookspecs import hookimpl
from diptych.registry import Component


@hookimpl
def diptych_register_backbone() -> list[Component]:
    """Return core's backbones."""
    return [
        Component(
            "hf-causal-lm",
            "diptych.backbones.hf_causal_lm:HFCausalLMSpec",
            "any causal language model of transformers, built from a config",
        ),
        Component(
            "qwen2.5-vl",
            "diptych.backbones.qwen25_vl:Qwen25VLSpec",
            "Qwen2.5-VL with its own vision tower and M-RoPE (BLIP3-o)",
        ),
        Component(
            "plain-transformer",
            "diptych.backbones.plain_transformer:PlainTransformerSpec",
            "a small causal transformer in plain torch",
        ),
    ]


@hookimpl
def diptych_register_tokenizer() -> list[Component]:
    """Return core's tokenizers."""
    return [
        Component("bytes", "diptych.tokenizers.bytes:BytesTokenizer", "one id a byte; no file, any text"),
        Component("file", "diptych.tokenizers.file:FileTokenizer", "a tokenizer.json of the tokenizers library"),
    ]


@hookimpl
def diptych_register_connector() -> list[Component]:
    """Return core's connectors."""
    return [
        Component("linear", "diptych.connectors.per_token:LinearConnector", "one linear map per token"),
        Component("mlp", "diptych.connectors.per_token:MlpConnector", "Linear, GELU, Linear per token"),
        Component(
            "mlp-norm",
            "diptych.connectors.normed:MlpNormConnector",
            "Linear, GELU, Linear, RMSNorm: features -> a network's condition",
        ),
        Component(
            "patch-merger",
            "diptych.connectors.patch_merger:PatchMerger",
            "squares of neighbouring features become one token each (Qwen2-VL)",
        ),
    ]


@hookimpl
def diptych_register_condition() -> list[Component]:
    """Return core's conditions."""
    return [
        Component(
            "latent-queries", "diptych.conditions.specs:LatentQueries", "learned tokens that read intent out (BLIP3-o)"
        ),
        Component("prompt-states", "diptych.conditions.specs:PromptStates", "the states of the prompt's own tokens"),
        Component(
            "states-of",
            "diptych.conditions.specs:StatesOf",
            "the states of ids that an earlier step wrote (BLIP3o-NEXT)",
        ),
        Component(
            "reference-features",
            "diptych.conditions.specs:ReferenceFeatures",
            "what a vision part makes of the pictures that are edited (BLIP3o-NEXT-edit)",
        ),
        Component("concat", "diptych.conditions.specs:Concat", "several conditions, one after the other"),
    ]


@hookimpl
def diptych_register_encoder() -> list[Component]:
    """Return core's encoders."""
    return [Component("patches", "diptych.vision.patches:Patches", "the pixels of each patch, as they are")]


@hookimpl
def diptych_register_head() -> list[Component]:
    """Return core's heads."""
    return [
        Component(
            "linear-readout",
            "diptych.vision.linear_readout:LinearReadout",
            "condition tokens -> target tokens by one linear map and MSE",
        )
    ]


@hookimpl
def diptych_register_decoder() -> list[Component]:
    """Return core's decoders."""
    return [Component("unpatch", "diptych.vision.unpatch:Unpatch", "each token -> the pixels of its patch, by an MLP")]


@hookimpl
def diptych_register_objective() -> list[Component]:
    """Return core's objectives."""
    return [
        Component("answer", "diptych.objectives.specs:Answer", "next-token loss on the assistant's text"),
        Component("paint", "diptych.objectives.specs:Paint", "the loss of a generate step's head"),
        Component(
            "reconstruct", "diptych.objectives.specs:Reconstruct", "the decoder's loss on features of real pictures"
        ),
        Component("autoencode", "diptych.objectives.specs:Autoencode", "the own loss of an autoencoder under vision"),
    ]


@hookimpl
def diptych_register_dataset() -> list[Component]:
    """Return core's datasets."""
    return [Component("squares", "diptych.data.squares:Squares", "pictures of one coloured square, made on the fly")]


@hookimpl
def diptych_register_importer() -> list[Component]:
    """Return the importers of the families that core knows."""
    return [
        Component("blip3o", "diptych.families.blip3o.importer:Blip3o", "BLIP3-o 4B and 8B, as released"),
        Component(
            "siglip2-sana",
            "diptych.families.siglip2_sana.importer:Siglip2Sana",
            "the SigLIP2 -> SANA decoder, as released or as its trainer writes it",
        ),
        Component(
            "blip3o-next",
            "diptych.families.blip3o_next.importer:Blip3oNext",
            "BLIP3o-NEXT, which writes image ids and paints under their states",
        ),
        Component(
            "blip3o-next-edit",
            "diptych.families.blip3o_next.edit_importer:Blip3oNextEdit",
            "BLIP3o-NEXT-edit, which changes pictures; from reading",
        ),
        Component("janus", "diptych.families.janus.importer:Janus", "Janus-Pro 1B and 7B, as transformers writes them"),
    ]


@hookimpl
def diptych_register_spec() -> list[Component]:
    """Return the named specs of the families that core knows; their parts come from the other packages."""
    return [
        Component("blip3o-8b", "diptych.families:blip3o/specs/blip3o-8b.yaml", "BLIP3-o over Qwen2.5-VL 7B"),
        Component("blip3o-4b", "diptych.families:blip3o/specs/blip3o-4b.yaml", "BLIP3-o over Qwen2.5-VL 3B"),
        Component(
            "blip3o-qwen3-siglip2",
            "diptych.families:blip3o/specs/blip3o-qwen3-siglip2.yaml",
            "BLIP3-o over a text Qwen3 that SigLIP 2 reads for",
        ),
        Component(
            "siglip2-sana",
            "diptych.families:siglip2_sana/specs/siglip2-sana.yaml",
            "SigLIP 2 features drawn by SANA, without a language model",
        ),
        Component(
            "blip3o-next-3b",
            "diptych.families:blip3o_next/specs/blip3o-next-3b.yaml",
            "BLIP3o-NEXT: Qwen3 writes image ids, SANA 1.5 paints under their states",
        ),
        Component(
            "blip3o-next-edit",
            "diptych.families:blip3o_next/specs/blip3o-next-edit.yaml",
            "BLIP3o-NEXT-edit: reads a picture as image ids, and paints another beside its latents",
        ),
        Component(
            "janus-pro-1b",
            "diptych.families:janus/specs/janus-pro-1b.yaml",
            "Janus-Pro: image ids by a Llama of 24 layers",
        ),
        Component(
            "janus-pro-7b",
            "diptych.families:janus/specs/janus-pro-7b.yaml",
            "Janus-Pro: image ids by a Llama of 30 layers",
        ),
    ]
