"""The Open Inference Protocol v2, apart from what carries it: REST and gRPC share its tensors and its descriptions."""
