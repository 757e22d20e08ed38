"""From git and DVC to a verified, read-only release. Used by `serve` and by `promote` alike."""
