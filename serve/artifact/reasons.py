"""Why DVC failed, in one sentence: from what it prints, and what the operator can do where we know that.

Pure. What is told names no path of this machine, for callers may read it; what stands in the log does.
"""

import re

_MISSING = re.compile(r"^(?:name: .*, )?md5: (\w+(?:\.dir)?)$", re.MULTILINE)  # as DVC lists them in a warning
_FULL = re.compile(r"No space left on device|disk is full|Disk quota exceeded", re.IGNORECASE)
_MOST_TOLD = 600

# What libraries below DVC say, and what that means to who runs this.
_KNOWN = (
    (
        r"Host key is not trusted for host (?P<what>\S+)",
        "the SSH host {what} shows a key that this machine's known_hosts does not name: where the host is new, put its "
        "key there (ssh-keyscan); where its key was another before, find out why before you do",
    ),
    (
        r"Too many authentication failures|Permission denied for user|No more authentication methods"
        r"|Public key mismatch",
        "the SSH server takes none of this machine's keys for that user: name the right ones (keyfile in DVC's "
        "configuration of this machine, or IdentityFile in ~/.ssh/config)",
    ),
    (
        r"Unable to locate credentials|NoCredentialsError",
        "no credentials for the remote were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile",
    ),
    (
        r"\(403\)|\bForbidden\b|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken",
        "the remote refuses these credentials (403): they are wrong or have run out, or do not grant this",
    ),
    (
        r"NoSuchBucket|The specified bucket does not exist",
        "there is no such bucket at the remote: look at its URL, and at where it is asked (endpointurl)",
    ),
    (
        r"but requires '(?P<what>dvc-(?P<extra>s3|ssh|gs|azure))' to be installed",
        "remotes of this kind need {what}: pip install 'pinion-serve[{extra}]'",
    ),
    (r"Could not connect to the endpoint URL|Connect call failed", "the remote does not answer"),
)


def known(text: str) -> str:
    """What the operator can do about it, where that is known; '' where it is not."""
    for pattern, told in _KNOWN:
        found = re.search(pattern, text)
        if found is not None:
            return told.format(**found.groupdict())
    return ""


def disk_is_full(text: str) -> bool:
    """Whether it is this machine that lacks room, and nothing is wrong with the remote or the way to it."""
    return _FULL.search(text) is not None


def of(stderr: str) -> str:
    """What DVC said went wrong, in one line, without its advice and links."""
    told = [line.removeprefix("ERROR: ").rstrip(":") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    told += [
        f"neither the cache nor the remote has {oid}: push it from where it was made"
        for oid in _MISSING.findall(stderr)
    ]
    lines = told or [line for line in stderr.splitlines() if line.strip()] or ["it gave no reason"]
    return " · ".join(re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines)[:_MOST_TOLD]


def without_paths(reason: str) -> str:
    """Of each path of this machine, only its last part."""
    return re.sub(r"(?<![\w:/.])/(?:[^\s'\"/]+/)+", "", reason)
