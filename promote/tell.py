"""After the commit, MLflow learns of it: tags on the logged model and its run, the alias where registered.

Git stays the only switch. So nothing here can undo a promotion: what MLflow refuses is reported, no more.
"""

from mlflow.tracking import MlflowClient

from promote.source import Candidate, logged_model, mlflow_said

ALIAS = "champion"


def tell(candidate: Candidate, name: str, digest: str, revision: str) -> str:
    """Tag the model and its run with what pinned it, move the alias → what was told; '' where MLflow knows it not.

    Raises `PromotionRefused` with what MLflow refused.
    """
    if candidate.local:
        return ""
    tags = {"pinion.model": name, "pinion.digest": digest, "pinion.revision": revision}
    with mlflow_said():
        client = MlflowClient()
        _tag(client, candidate, tags)
        moved = _registrations(client, candidate)
        for registered, version in moved:
            client.set_registered_model_alias(registered, ALIAS, version)
    aliases = "".join(f", alias {ALIAS} on {registered}/{version}" for registered, version in moved)
    return f"MLflow: tags on the model and its run{aliases}"


def _tag(client: MlflowClient, candidate: Candidate, tags: dict[str, str]) -> None:
    if candidate.model_id:
        client.set_logged_model_tags(candidate.model_id, tags)
    if candidate.run:
        for key, value in tags.items():
            client.set_tag(candidate.run, key, value)


def _registrations(client: MlflowClient, candidate: Candidate) -> list[tuple[str, str]]:
    """(name, version) of the candidate in the registry: the one it was named by, else its model's newest in each."""
    if candidate.registered is not None:
        return [candidate.registered]
    if not candidate.run or not candidate.model_id:
        return []
    found = client.search_model_versions(f"run_id = '{candidate.run}'")
    mine = [(one.name, int(one.version)) for one in found if logged_model(one) == candidate.model_id]
    return [(name, str(version)) for name, version in dict(sorted(mine)).items()]
