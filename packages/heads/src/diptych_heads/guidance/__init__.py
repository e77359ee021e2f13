"""Guidance: how the prediction without a condition strengthens the one with it."""
