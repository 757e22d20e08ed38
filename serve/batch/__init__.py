"""Requests waiting for a worker, how many of them make a batch, and answers that come in chunks."""
