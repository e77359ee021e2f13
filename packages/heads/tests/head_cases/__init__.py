"""Helpers of this package's tests."""
