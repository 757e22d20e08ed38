"""One file a dialect: its bytes ⇄ `InferenceRequest` and `InferenceResponse`."""
