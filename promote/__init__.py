"""One artifact becomes canonical: found in MLflow, judged, rehearsed as it will be served, pinned in git."""
