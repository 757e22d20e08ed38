"""Both sides' work in a model's own interpreter, as a script: cases in on stdin, answers out on stdout, a line each.

MLflow's side is its scoring server of that version; ours is the child's own code, given the frames that the server's
front has made. Started with the child's folder and this repository's root on its path.
"""

import base64
import json
import sys
from typing import Any

import wire  # type: ignore[import-not-found,unused-ignore]
from model import Model  # type: ignore[import-not-found,unused-ignore]

from tests.differential import models, oracle


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """MLflow's verdict on the body, and the child's answer to the frame, where the front has made one."""
    pyfunc = models.pyfunc(case["recorded"], case["hint"], "whole")
    verdict = oracle.ask(pyfunc, base64.b64decode(case["body"]), case["content_type"])
    frame = base64.b64decode(case["frame"]) if case["frame"] else None
    return {"verdict": vars(verdict), "frame": _predicted(pyfunc, frame) if frame is not None else None}


def _predicted(pyfunc: Any, frame: bytes) -> str:
    header, _ = wire.lengths(frame[: wire.PREFIX.size])
    start = wire.PREFIX.size + header
    message = wire.decode(frame[wire.PREFIX.size : start], bytearray(frame[start:]))
    with oracle.serving():
        answers = Model(pyfunc).predict(message.values, message.params)
    return base64.b64encode(b"".join(bytes(buffer) for buffer in wire.encode(answers))).decode()


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
