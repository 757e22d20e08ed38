"""Confines a process before a model's interpreter starts in it; run as a folder, by the server's own interpreter.

It begins as us and ends as the model's: `python -I -S serve/sandbox ASKED COMMAND…` shuts itself in, says on a
socket what is in force, and becomes COMMAND. So not a line of what a model brings, be it a package's `.pth` file or the
interpreter itself, runs unconfined. It sees its siblings and the standard library, nothing of the server.
"""
