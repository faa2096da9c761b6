"""Benchmarks: each figure beside its baseline, measured in turns in one run, so that the ratio is what counts."""
