"""Noise schedules: how much target and how much noise there is at time t.

x(t) = alpha(t) * target + sigma(t) * noise, from alpha(0) = 1, sigma(0) = 0 to alpha(1) = 0, sigma(1) = 1.
"""
