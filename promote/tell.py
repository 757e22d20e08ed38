"""After the commit, MLflow learns of it: tags on the logged model and its run, the alias where registered.

Git stays the only switch. So nothing here can undo a promotion: what MLflow refuses is reported, no more.
"""

from mlflow.tracking import MlflowClient

from promote.errors import PromotionRefused
from promote.source import Candidate, mlflow_said

ALIAS = "champion"


def tell(candidate: Candidate, name: str, digest: str, revision: str) -> str:
    """Tag the model and its run with what pinned it, move the alias → '' or what MLflow refused."""
    if not candidate.run and not candidate.model_id:
        return ""
    tags = {"pinion.model": name, "pinion.digest": digest, "pinion.revision": revision}
    try:
        with mlflow_said():
            _tell(MlflowClient(), candidate, tags)
    except PromotionRefused as error:
        return str(error)
    return ""


def _tell(client: MlflowClient, candidate: Candidate, tags: dict[str, str]) -> None:
    if candidate.model_id:
        client.set_logged_model_tags(candidate.model_id, tags)
    if candidate.run:
        for key, value in tags.items():
            client.set_tag(candidate.run, key, value)
    for registered, version in registrations(client, candidate):
        client.set_registered_model_alias(registered, ALIAS, version)


def registrations(client: MlflowClient, candidate: Candidate) -> list[tuple[str, str]]:
    """(name, version) of the candidate in the registry: the one it was named by, else every one of its model."""
    if candidate.registered is not None:
        return [candidate.registered]
    if not candidate.run or not candidate.model_id:
        return []
    found = client.search_model_versions(f"run_id = '{candidate.run}'")
    return [(one.name, str(one.version)) for one in found if one.model_id == candidate.model_id]
