"""Timesteps: how training draws t in [0, 1]."""
