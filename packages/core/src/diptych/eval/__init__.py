"""Evaluation: suites of metrics, scores with their uncertainty."""
