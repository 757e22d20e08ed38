"""The Open Inference Protocol v2 over gRPC, on a port of its own."""

import os

# Our processes are forked only to become another program at once; gRPC's own care for forks would fail, and say so
# in the log at each of them. It reads this as it is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
