"""What the operator's trust settings refuse: each reason a class of its own. Traffic goes on with what is live."""

from collections.abc import Sequence

from serve.errors.rollout import RolloutFailed

_MOST_NAMED = 20


class SignatureRefused(RolloutFailed):
    """A model does not bear the signature that `trust.keys` or `trust.certificates` ask for."""

    code = "signature_refused"

    def __init__(self, model: str, detail: str) -> None:
        super().__init__(f"model '{model}' {detail}")


class SignatureMissing(SignatureRefused):
    """There is no signature at all."""

    code = "signature_missing"

    def __init__(self, model: str) -> None:
        super().__init__(model, "is not signed: promote it again with --sign, or let trust.keys be empty")


class SignatureUnreadable(SignatureRefused):
    """The signature is no sigstore bundle of a statement about a model."""

    code = "signature_unreadable"


class SignatureOutdated(SignatureRefused):
    """The statement is of another kind than the one read here, such as the drafts before version 1."""

    code = "signature_predicate"


class SignatureLax(SignatureRefused):
    """The statement lets links stand for files, so that it does not say which bytes it means."""

    code = "signature_allows_links"


class SignatureOfAnother(SignatureRefused):
    """The signature was made for a model of another name."""

    code = "signature_of_another"

    def __init__(self, model: str, other: str) -> None:
        super().__init__(model, f"bears the signature of another model, '{other}'")


class SignatureMismatch(SignatureRefused):
    """The signature was made for other bytes; names every extra, missing and changed file, up to a bound."""

    code = "signature_mismatch"

    def __init__(self, model: str, differences: Sequence[str]) -> None:
        more = f" and {len(differences) - _MOST_NAMED} more" if len(differences) > _MOST_NAMED else ""
        super().__init__(model, f"is not what was signed: {', '.join(differences[:_MOST_NAMED])}{more}")


class SignerUnknown(SignatureRefused):
    """None of the listed keys and certificates made the signature."""

    code = "signer_unknown"


class CommitRefused(RolloutFailed):
    """No verified commit has these bytes of models.dvc. One may come, and nothing in the work tree tells of it."""

    code = "commit_unverified"
    transient = True


class FormatRefused(RolloutFailed):
    """The model holds pickles, which `trust.allow_pickle` forbids."""

    code = "format_refused"


class HashesMissing(RolloutFailed):
    """The model was pinned without the hashes of its packages, which `trust.require_hashes` asks for."""

    code = "hashes_missing"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"model '{model}' was pinned without the hashes of its packages: promote it again, which records them"
        )
