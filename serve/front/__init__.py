"""The HTTP door: bytes in, an inference request through, bytes out; control routes beside it."""
