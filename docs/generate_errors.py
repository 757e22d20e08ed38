"""docs/errors.md from the errors themselves: `python docs/generate_errors.py > docs/errors.md`.

What an error means is its class's docstring, its status the one table's. What to do about it stands here: an error
without a line here keeps the page from being made.
"""

import inspect
import sys
from collections.abc import Iterator, Sequence

from serve import errors
from serve.errors import (
    AccessUnreadable,
    InternalError,
    ModelFailed,
    RequestRejected,
    RolloutFailed,
    ServeError,
    SignatureRefused,
    Unavailable,
)
from serve.front.status import RPC_STATUS, status

HEAD = """# Errors

Every error has a stable code. The same code stands in the answer, in the log, and in the metrics. Look it up here, see
who must act, and do what the last column says.

An answer's shape is in [HTTP](http.md#errors). A release that fails never reaches a caller: what is live serves on, and
the code stands as `failure` in `/models`, in the log, and in `pinion_rollouts_total`."""

BRANCHES: Sequence[tuple[type[ServeError], str, str]] = (
    (RequestRejected, "The caller must change the request", "Asking again the same will be refused again."),
    (Unavailable, "The caller may try again", "After `Retry-After` seconds where the answer has that header."),
    (ModelFailed, "The model's author must look", "The server's log has the traceback; the caller never sees it."),
    (InternalError, "We must look", "A fault of Pinion's own."),
    (RolloutFailed, "The operator must look: a release", "Traffic goes on with what is live. Those with ↻ are tried "
     "again by themselves, with growing pauses; the others as soon as git changes."),
    (AccessUnreadable, "The operator must look: who is let in", "Whoever was let in before still is. At start it is "
     "exit code 2."),
    (ServeError, "The operator must look: the machine", "The server does not start: exit code 2."),
)  # fmt: skip

_ON_WIRE = (RequestRejected, Unavailable, ModelFailed, InternalError)
_FAMILIES = (ServeError, SignatureRefused, AccessUnreadable)  # never raised themselves

MENDS = {
    "malformed_request": "Send JSON with exactly one of the keys in [HTTP](http.md); the sentence names the place.",
    "too_deep": "Flatten the body: at most 64 lists and objects in each other.",
    "target_too_long": "Put data into the body, not into the address.",
    "headers_too_large": "Send fewer headers, or shorter ones: at most 128, and 64 KiB in all.",
    "request_too_slow": "Send faster, or let the operator raise `PINION_HTTP__BODY_TIMEOUT_SECONDS`.",
    "invalid_inputs": "Compare the body with the model's signature in `/models`, or its example in `/docs`.",
    "payload_too_large": "Send fewer rows at once, or a packed format; the limits are `PINION_HTTP__MAX_BODY_BYTES` "
    "and `PINION_HTTP__MAX_ROWS`.",
    "unsupported_content": "Send one of the content types in [HTTP](http.md), uncompressed.",
    "not_acceptable": "Ask by `Accept` for a format that [the answer has](outputs.md).",
    "model_not_found": "Take a name from `/models`. With several models live, name one in the path.",
    "version_not_found": "Leave the version out, or take it from `/models`: the live one is the only one.",
    "release_not_found": "Take a revision from `/history`: at least 7 digits of it.",
    "not_found": "Take a path from [the routes](routes.md).",
    "method_not_allowed": "The header `Allow` says which methods the route takes.",
    "unauthenticated": "Show a key or token: [who may ask](http.md#who-may-ask).",
    "forbidden": "Ask the operator for a key with the scope that the sentence names.",
    "queue_full": "Wait and try again. If it happens often: more workers (`PINION_WORKER__COUNT`), or more replicas.",
    "wait_too_long": "Wait and try again, or allow more time. If it happens often: more workers or replicas.",
    "deadline_exceeded": "Allow more time, or send fewer rows. If it happens often, see which stage takes the time in "
    "`pinion_stage_seconds`.",
    "read_too_slowly": "Read a stream as it comes.",
    "worker_died": "Try again. The log says how the worker ended; out of memory is the usual reason.",
    "not_ready": "Try again. If it stays: `/health/ready` says which model has no worker, and why.",
    "too_many_connections": "Close connections that are not needed, or raise `PINION_HTTP__MAX_CONNECTIONS`.",
    "predict_failed": "Read the traceback in the log; send the same body to the model by hand. The operator may "
    "[roll back](guides/rollbacks.md).",
    "bad_output": "Answer each row with one row; a model that never does is promoted as one without batches.",
    "output_too_large": "Answer less at once, or raise `PINION_WORKER__MAX_ANSWER_BYTES`.",
    "worker_crashed": "Find out what in this request ends the process: the log says how it ended. The same request is "
    "refused for ten minutes.",
    "internal_error": "Report it with the traceback that the log has.",
    "pin_unreadable": "Restore `models.dvc` from git: `git checkout HEAD -- models.dvc`. Only `promote` writes it.",
    "pin_too_large": "Raise `PINION_ARTIFACT__MAX_BYTES` or `PINION_ARTIFACT__MAX_FILES`, if that much is meant.",
    "remote_not_trusted": "Say where to pull from, as the operator: [the remote](your-own.md#the-remote).",
    "listing_refused": "Promote again; if it stays, find out who else writes to the remote.",
    "pull_failed": "Read DVC's words in the message: the network, the credentials, or an object that was never pushed.",
    "digest_mismatch": "The remote has other bytes than git says. Find out who wrote them; roll back meanwhile.",
    "snapshot_unreadable": "Promote the model again with the `promote` of this version.",
    "environment_failed": "Read uv's words in the log: mostly the package index can't be reached, or lacks a version.",
    "machine_failed": "Make room: the message names a full disk, descriptors, or memory.",
    "load_failed": "Read the traceback in the log. `promote` would have refused this model: see what differs here.",
    "sandbox_failed": "This kernel lacks what `PINION_WORKER__SANDBOX=required` asks for; the log says what.",
    "golden_mismatch": "The model answers otherwise here than at its promotion: another processor, device or package. "
    "Promote it again on a machine like this one.",
    "fell_back": "The release died soon after it went live. The log says how; mend it, and promote again.",
    "commit_unverified": "Have a signer commit `models.dvc` as it is: [verified commits](trust.md#verified-commits).",
    "format_refused": "Log the model [without pickles](trust.md#formats), and promote it again.",
    "hashes_missing": "Promote the model again: `promote` records the hashes now.",
    "signature_missing": "Promote the model again with `--sign`.",
    "signature_unreadable": "Promote the model again with `--sign`; find out who wrote the file.",
    "signature_predicate": "Sign again, with a model-signing of version 1 or newer.",
    "signature_allows_links": "Sign again with `promote --sign`, which never allows links.",
    "signature_of_another": "Someone moved a signature: promote this model again with `--sign`.",
    "signature_mismatch": "Files were changed since they were signed. Find out by whom; roll back meanwhile.",
    "signer_unknown": "Sign with a key in `PINION_TRUST__KEYS`, or add the signer's.",
    "keys_unreadable": "The log names the line of the file of keys that is broken: mend it, or make it anew.",
    "certificate_unreadable": "Give the server's user the files to read; certificate and key must belong together.",
    "socket_unusable": "See what the service manager hands over: a listening stream socket for each port.",
    "issuer_unreachable": "See that `PINION_AUTH__ISSUER` answers from this machine.",
}  # fmt: skip


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield HEAD
    for branch, title, told in BRANCHES:
        if not (kinds := _kinds(branch)):
            continue
        yield f"\n## {title}\n\n{told}\n"
        on_wire = branch in _ON_WIRE
        yield "| code | " + ("status | " if on_wire else "") + "what it means | what to do |"
        yield "|---|---|---|---|" if on_wire else "|---|---|---|"
        yield from (_row(kind, on_wire=on_wire) for kind in kinds)
    yield "\n## Over gRPC\n\nThe same errors, with the protocol's own names of statuses.\n\n| | status |\n|---|---|"
    for name in dict.fromkeys(RPC_STATUS.values()):
        yield f"| `{name}` | {', '.join(str(code) for code, its in RPC_STATUS.items() if its == name)} |"


def _kinds(branch: type[ServeError]) -> list[type[ServeError]]:
    """Those of a branch that are raised, each with a code of its own; by status, and by name."""
    there = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, branch)]
    if branch is ServeError:
        there = [one for one in there if not issubclass(one, tuple(other for other, *_ in BRANCHES[:-1]))]
    raised = [one for one in there if "code" in vars(one) and one not in _FAMILIES]
    return sorted(raised, key=lambda one: (status(_bare(one)), one.code))


def _row(kind: type[ServeError], *, on_wire: bool) -> str:
    again = " ↻" if issubclass(kind, RolloutFailed) and kind.transient else ""
    number = status(_bare(kind))
    wire = f"{number} | " if on_wire else ""
    meaning = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return f"| `{kind.code}`{again} | {wire}{meaning} | {MENDS[kind.code]} |"


def _bare(kind: type[ServeError]) -> ServeError:
    """One without its message, for the table asks for its class alone."""
    return kind.__new__(kind)


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
