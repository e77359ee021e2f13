"""Objectives: training losses over a whole model."""
