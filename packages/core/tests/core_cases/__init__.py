"""Helpers of core's tests."""
