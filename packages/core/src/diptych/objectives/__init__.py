"""Objectives: training losses over the whole model."""
