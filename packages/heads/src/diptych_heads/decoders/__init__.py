"""Decoders: from a target's tokens to pixels in [-1, 1]."""
