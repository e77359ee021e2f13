"""SigLIP2 -> SANA: the decoder that BLIP3-o trained beside its models."""
