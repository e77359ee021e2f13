"""Measurements that anybody can repeat: `python -m diptych_heads.benchmarks.NAME`."""
