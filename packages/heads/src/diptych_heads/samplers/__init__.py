"""Samplers: integrate dx/dt = velocity(x, t) from noise at t = 1 to a target at t = 0."""
