"""Training: two datasets go in, runs in MLflow come out, each with a model that loads anywhere.

The data's way: `data` → `model` → `loop` (events per step and per epoch) → `record` (the lab journal).
Only `record` knows MLflow; the loop and the networks would run without it. MLflow is also the only thing
shared with `promote` and `serve`: neither is imported here.
"""
