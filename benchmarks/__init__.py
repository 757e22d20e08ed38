"""Pinion beside its peers on one machine, in one run: `make bench` writes docs/benchmarks.md."""
