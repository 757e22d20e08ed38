"""What each sub-command of `serve` does: one file a command, thin over rooms that return data.

What is found is data, the same for `--json` and for a person; how it looks is in `drawn`. A command ends with an exit
code and at most one sentence on stderr, never with a traceback.
"""
