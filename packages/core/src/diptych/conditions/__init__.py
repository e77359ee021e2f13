"""Conditions: what a generation head receives."""
