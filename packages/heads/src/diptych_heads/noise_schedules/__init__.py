"""Noise schedules: how much target and how much noise there is at time t.

x(t) = alpha(t) * target + sigma(t) * noise; alpha falls from 1 to 0, sigma rises from 0 to 1.
"""
