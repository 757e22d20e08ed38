"""Whether a signature holds, by sigstore's own library: a process of its own, `python -m serve.artifact.attest`.

Its arguments are the model's folder, the signature, 'key' or 'certificate', and the PEM files of those whose signature
counts. It prints which of them it was, and ends with 1 and a reason for each where it was none. The library takes 54 MB
and a third of a second to import, which the server need not keep.
"""

import sys
from pathlib import Path

from model_signing import hashing, verifying


def main(arguments: list[str]) -> int:
    """The exit code."""
    folder, signature, kind, *trusted = arguments
    refusals = []
    for one in [trusted] if kind == "certificate" else [[key] for key in trusted]:
        try:
            _verifier(kind, one).verify(Path(folder), Path(signature))
        except Exception as error:  # the library lets through what cryptography and OpenSSL raise
            refusals.append(f"{', '.join(one)}: {str(error) or type(error).__name__}")
        else:
            sys.stdout.write(", ".join(one))
            return 0
    sys.stderr.write("\n".join(refusals))
    return 1


def _verifier(kind: str, trusted: list[str]) -> verifying.Config:
    every_file = hashing.Config()  # type: ignore[no-untyped-call]  # it has no annotations
    every_file.use_file_serialization(hashing_algorithm="sha256", allow_symlinks=False)
    every_file.set_ignored_paths(paths=["model.sig"], ignore_git_paths=False)
    config = verifying.Config()  # type: ignore[no-untyped-call]  # nor has this
    config.set_hashing_config(every_file)
    if kind == "certificate":
        return config.use_certificate_verifier(certificate_chain=trusted)
    return config.use_elliptic_key_verifier(public_key=trusted[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
