"""The server's side of a model's processes: their environment, one process, a pool of them."""
