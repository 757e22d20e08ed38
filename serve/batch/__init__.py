"""Requests waiting for a worker, and how many of them make a batch."""
