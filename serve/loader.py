"""From a pin to models ready to go live: fetch, verify, environment, workers, golden answers.

Knows nothing of what is live: it makes what `rollout` asks for, or leaves nothing behind. What it prepared stays
leased until `collect` is told what is still used.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from serve import golden, scratch
from serve.artifact import collect, commits, demands, fetch, hashes, history, snapshot
from serve.artifact.commits import Origin
from serve.artifact.fetch import PullLimits, Store
from serve.artifact.lease import Leases
from serve.artifact.pin import FILENAME, Pin
from serve.artifact.snapshot import Snapshot
from serve.artifact.trust import Trust
from serve.attempts import Attempts, Seen
from serve.errors import HashesMissing, MachineFailed, PullFailed, ServeError, SnapshotUnreadable
from serve.metrics import Metrics
from serve.worker import environment
from serve.worker.confinement import Confinement
from serve.worker.policy import EnvironmentPolicy
from serve.worker.pool import Pool, PoolLimits
from serve.worker.process import Command

log = structlog.get_logger()

_FEWEST_DIGITS = 7

Lineage = tuple[tuple[str, str], ...]  # the header lines of an answer that name its model, digest, revision and run


@dataclass(frozen=True, slots=True)
class LoaderOptions:
    """How models are made ready, and how many releases are kept on disk; times in seconds."""

    limits: PoolLimits
    threads: int
    environment: EnvironmentPolicy
    keep_releases: int
    pull: PullLimits
    build_timeout_seconds: float
    golden_timeout_seconds: float
    from_source: bool = False
    trust: Trust = field(default_factory=Trust)
    confinement: Confinement = Confinement()  # noqa: RUF009  # frozen


@dataclass(frozen=True, slots=True)
class Deployed:
    """One model with its workers: its bytes, the commit that pinned it, and the headers of its answers."""

    snapshot: Snapshot
    revision: str
    pool: Pool
    since: str
    lineage: Lineage

    @property
    def versions(self) -> tuple[str, ...]:
        """The names this version answers to: its digest's and its revision's first twelve digits, and both whole."""
        digest = self.snapshot.digest.removeprefix("sha256:")
        return (digest[:12], self.revision[:12], digest, self.revision)

    def is_version(self, asked: str) -> bool:
        """Whether it is the beginning of its digest or revision, of as many digits as git shows at least."""
        digits = asked.removeprefix("sha256:")
        return len(digits) >= _FEWEST_DIGITS and any(name.startswith(digits) for name in self.versions)


@dataclass(frozen=True, slots=True)
class Live:
    """A release that answers requests: its models by name, the commit it is from, whether that one before is newer."""

    pin: Pin
    models: Mapping[str, Deployed] = field(default_factory=dict)
    origin: Origin | None = None
    older_than_previous: bool = False

    @property
    def pools(self) -> frozenset[Pool]:
        return frozenset(one.pool for one in self.models.values())

    @property
    def ready(self) -> bool:
        """Whether every model has a worker that can answer."""
        return bool(self.models) and all(one.pool.alive for one in self.models.values())


class Loader:
    """Makes what a pin names ready, in a state folder that others may share."""

    def __init__(
        self, store: Store, options: LoaderOptions, metrics: Metrics, attempts: Attempts | None = None
    ) -> None:
        self._store, self._options, self._metrics = store, options, metrics
        # where it says what it does; not its own to begin or to end
        self.attempts = attempts if attempts is not None else Attempts()
        self._leases = Leases()

    async def admit(self, pin: Pin) -> Origin | None:
        """The commit that `pin` is from; `CommitRefused` where one must verify, and none does."""
        with _machine(), self.attempts.step("admit", FILENAME):
            found = await asyncio.to_thread(commits.origin, self._store.repo, pin, self._options.trust)
        if found is not None and found.signer:
            log.info("commit verified", commit=found.revision, date=found.date, signer=found.signer)
        return found

    async def prepare(self, pin: Pin) -> list[Snapshot]:
        """Everything a release needs on disk, short of starting it: verified snapshots and environments."""
        with _machine():
            return await self._prepare(pin)

    async def verified(self, pin: Pin) -> list[Snapshot]:
        """The snapshots of `pin`, pulled where they are not here, verified, and trusted as the operator asks."""
        with _machine():
            return await self._verified(pin)

    async def _prepare(self, pin: Pin) -> list[Snapshot]:
        trusted = await self._verified(pin)
        for one in trusted:
            await self._interpreter(one)
        collect.note_use([one.folder for one in trusted])
        return trusted

    async def _verified(self, pin: Pin) -> list[Snapshot]:
        folders = [self._store.snapshot(model) for model in pin.models]
        for folder in folders:  # what is there stays there
            self._leases.take(folder)
        await self._pull(pin)
        if not all(self._leases.take(folder) for folder in folders):
            raise PullFailed("a snapshot was removed from the state folder as soon as it was there")
        with self.attempts.step("verify", f"{_megabytes(pin.size)} by SHA-256"):
            snapshots = [await asyncio.to_thread(snapshot.verified, self._store, model) for model in pin.models]
            for one in snapshots:
                log.info("verified", model=one.name, digest=one.digest)
            return [await demands.met(one, self._options.trust) for one in snapshots]

    async def _pull(self, pin: Pin) -> None:
        whole, seen = _megabytes(pin.size), Seen()

        def count(written: int) -> None:  # into the cache, and from there once more
            seen.tell(f"{min(written, pin.size) / 1e6:.1f} of {whole}")

        with self.attempts.step("pull", f"{whole} in {pin.files} files", seen):
            pulled = await fetch.fetch(self._store, pin, self._options.pull, count)
        if pulled:
            self._metrics.last_pull.set_to_current_time()
            log.info("pulled", models=[model.name for model in pin.models], bytes=pin.size, files=pin.files)

    async def load(self, snapshots: list[Snapshot], pin: Pin) -> dict[str, Deployed]:
        """Each of these snapshots of `pin` with warm workers, by name; where one fails, none is left."""
        pools: dict[str, Pool] = {}
        try:
            with _machine():
                for one in snapshots:
                    pools[one.name] = await self._start(one)
                revisions = await asyncio.to_thread(history.revisions, self._store.repo, pin)
        except BaseException:
            await asyncio.gather(*(pool.stop() for pool in pools.values()))
            raise
        return {one.name: _deployed(one, revisions[one.name], pools[one.name]) for one in snapshots}

    async def collect(self, used: Iterable[Snapshot]) -> None:
        """Let go of all but `used`, and remove from the state folder what nobody needs."""
        state = self._store.state
        if not scratch.writable(state):
            return
        in_use = {place for one in used for place in (one.folder, environment.place(one.recipe, state))}
        self._leases.keep_only(in_use)
        await asyncio.to_thread(_collect, state, self._options.keep_releases)

    def close(self) -> None:
        """Let go of everything."""
        self._leases.keep_only(())

    async def _start(self, one: Snapshot) -> Pool:
        """A pool that has loaded the model and reproduced its golden answers."""
        options = self._options
        command = Command(
            name=one.name,
            digest=one.digest,
            folder=one.model_folder,
            python=await self._interpreter(one),
            threads=options.threads,
            state=self._store.state,
            row_by_row=one.promotion.batchable,
            confinement=options.confinement,
        )
        pool = Pool(command, options.limits, self._metrics, one.promotion.batchable)
        workers = options.limits.workers
        with self.attempts.step("start", one.name, lambda: f"{pool.alive} of {workers} workers"):
            await pool.start()
        try:
            with self.attempts.step("golden", f"{one.name}: {len(one.golden.cases)} recorded answers"):
                await golden.replay(one.name, one.golden, one.signature, pool, options.golden_timeout_seconds)
            with self.attempts.step("warm", one.name):
                await self._warm(one, pool)
        except BaseException:
            await pool.stop()
            raise
        log.info("warm", model=one.name, workers=workers, golden=len(one.golden.cases))
        return pool

    async def _warm(self, one: Snapshot, pool: Pool) -> None:
        """Show the model the batch sizes it will see; what it can't answer, it need not go live without."""
        row = golden.row(one.golden, one.signature) if one.promotion.batchable else None
        if row is not None:
            with contextlib.suppress(ServeError):
                await pool.warm(row, self._options.golden_timeout_seconds)

    async def _interpreter(self, one: Snapshot) -> Path:
        options, seen = self._options, Seen()
        told = f"{one.name}: {len(one.recipe.requirements)} packages, Python {one.recipe.python_minor}"
        with self.attempts.step("environment", told, seen):
            return await environment.interpreter(
                one.recipe,
                self._store.state,
                options.environment,
                options.build_timeout_seconds,
                self._leases,
                options.from_source,
                seen.tell,
            )


def already(pin: Pin, *releases: Live | None) -> dict[str, Deployed]:
    """The models that `pin` names with the same digest as `releases` have them; where several do, the last one's."""
    digests = {model.name: model.digest for model in pin.models}
    models = [item for release in releases if release is not None for item in release.models.items()]
    return {name: one for name, one in models if digests.get(name) == one.snapshot.digest}


@contextlib.contextmanager
def _machine() -> Iterator[None]:
    """What the machine refuses fails the release, as all else does."""
    try:
        yield
    except OSError as error:
        raise MachineFailed(error) from error


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _collect(state: Path, keep_releases: int) -> None:
    needed = set()
    for folder in collect.snapshots(state, keep_releases):
        with contextlib.suppress(SnapshotUnreadable, HashesMissing):  # so it needs none
            plain = snapshot.recipe(folder)
            needed.add(environment.digest(plain))
            needed.add(environment.digest(hashes.hashed(folder, folder.name, plain)))
    collect.environments(state, needed)


def _deployed(one: Snapshot, revision: str, pool: Pool) -> Deployed:
    lineage = (
        ("x-model-name", one.name),
        ("x-model-digest", one.digest),
        ("x-model-revision", revision),
        ("x-model-run", one.promotion.run),
    )
    return Deployed(one, revision, pool, datetime.now(UTC).isoformat(timespec="seconds"), lineage)
