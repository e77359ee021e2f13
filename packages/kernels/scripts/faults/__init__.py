"""Faults that the tests must find: one module an operation, which has ``TESTS`` and ``FAULTS``."""
