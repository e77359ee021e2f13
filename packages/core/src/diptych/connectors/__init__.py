"""Connectors: features -> another width."""
