# The server with the models that models.dvc pins, their environments and their history: nothing is fetched at
# run time. Build it in a clone of the repository, and run it as strictly as you like: as any user, without a
# network of its own, its files read-only; it needs no more than a /tmp.
#
#   docker build -t pinion .
#   docker run --read-only --tmpfs /tmp --stop-timeout 35 -p 8000:8000 pinion
#
# The final image is the bare base with four layers that count, from the seldom to the often changed: the server's
# packages, the models' environments, the models with their history, the server itself.
#
# Without models inside, for a repository that is mounted at /srv/pinion: what it pins is pulled at the start, into the
# volume /var/lib/pinion, and followed as the mounted repository changes.
#
#   docker build -t pinion-bare --target bare .
#   docker run --read-only --tmpfs /tmp --stop-timeout 35 -p 8000:8000 \
#     -v "$PWD:/srv/pinion:ro" -v pinion:/var/lib/pinion pinion-bare

# Any Debian-like image whose `python3` is 3.11 or newer, with pip and venv.
ARG BASE=python:3.11-slim-bookworm


# The server's packages, in an environment of their own. REMOTES: what DVC's take, as in "s3 ssh".
# Libraries' own tests and C headers are left out: nobody runs or compiles against them there.
FROM ${BASE} AS packages
ARG REMOTES
# For networks that have package sources or a certificate authority of their own; never put a password in one.
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG SSL_CERT_FILE
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv --without-pip /opt/pinion
COPY requirements/serve.txt requirements/remotes.txt /build/requirements/
RUN --mount=type=cache,target=/root/.cache \
    cd /build/requirements \
 && python3 -m pip --python /opt/pinion/bin/python install --no-deps --requirement serve.txt \
 && if [ -n "$REMOTES" ]; then python3 -m pip --python /opt/pinion/bin/python install \
      --requirement serve.txt --constraint remotes.txt $(printf 'dvc-%s ' $REMOTES); fi \
 && find /opt/pinion/lib -type d \( -name tests -o -name include \) -prune -exec rm -r {} +


# The server itself, installed for the next stages' use; what that adds lies in /installed too, to be a layer of its own.
FROM packages AS server
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG SSL_CERT_FILE
COPY pyproject.toml README.md /build/
COPY serve /build/serve
COPY train /build/train
COPY promote /build/promote
RUN --mount=type=cache,target=/root/.cache \
    python3 -m pip wheel --no-deps --wheel-dir /wheel /build \
 && python3 -m pip --python /opt/pinion/bin/python install --no-deps --no-index --root /installed /wheel/*.whl \
 && cp -a /installed/opt/pinion/. /opt/pinion/


# What git knows: every commit with its models.dvc, without what lies in the folders. Works on a shallow clone too.
FROM ${BASE} AS repository
RUN apt-get update && apt-get install --yes --no-install-recommends git
COPY . /repository
RUN mkdir -p /repository/remote \
 && git init --quiet /history \
 && cd /repository/.git \
 && git rev-list --objects --filter=tree:2 --all HEAD | git pack-objects --quiet /history/.git/objects/pack/pack \
 && cp -r HEAD refs $(ls packed-refs shallow 2>/dev/null) /history/.git/ \
 && rm -r /history/.git/hooks \
 && git -C /history cat-file -e HEAD:models.dvc


# The pinned models, pulled and verified, and their environments. Any Python they need that the base has not is
# fetched into the state folder too. UV_TORCH_BACKEND: cpu, cu128, …; unsaid, CPU builds where PyPI is the source.
# Bytecode without dates: the same environments are the same layer, whatever else in the repository has changed.
# Credentials for a remote elsewhere: docker build --secret id=dvc,src=.dvc/config.local .
FROM server AS prepared
ARG PIP_INDEX_URL
ARG PIP_FIND_LINKS
ARG SSL_CERT_FILE
ARG UV_TORCH_BACKEND
# Where to pull from, where that is not a folder of the repository: see docs/your-own.md.
ARG PINION_ARTIFACT__REMOTE
ENV PINION_ARTIFACT__REPO=/srv/pinion \
    PINION_ARTIFACT__STATE=/srv/pinion/state \
    UV_PYTHON_INSTALL_DIR=/srv/pinion/state/python \
    UV_LINK_MODE=copy \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH
COPY --from=repository /repository/models.dvc /srv/pinion/
COPY --from=repository /repository/.dvc /srv/pinion/.dvc
COPY --from=repository /repository/remote /srv/pinion/remote
RUN --mount=type=cache,target=/root/.cache \
    --mount=type=secret,id=dvc,target=/srv/pinion/.dvc/config.local \
    mkdir -p /srv/pinion/state/environments /srv/pinion/state/python \
 && if [ -z "$UV_TORCH_BACKEND$PIP_INDEX_URL$PIP_FIND_LINKS" ]; then export UV_TORCH_BACKEND=cpu; fi \
 && /opt/pinion/bin/serve prepare


# What both images have: the user, git, the server's packages, and how it is run.
FROM ${BASE} AS base
RUN useradd --no-log-init --no-create-home --home-dir /tmp --uid 10001 --shell /usr/sbin/nologin pinion \
 && install --directory --owner 10001 --group 10001 /var/lib/pinion
# git reads the history: its one program, which needs no more than the base has.
COPY --from=repository /usr/bin/git /usr/bin/git
COPY --from=packages /opt/pinion /opt/pinion
ENV PINION_ARTIFACT__REPO=/srv/pinion \
    PINION_HTTP__HOST=0.0.0.0 \
    PINION_HTTP__PORT=8000
WORKDIR /srv/pinion
EXPOSE 8000
STOPSIGNAL SIGTERM
# Ready, not merely live: what waits for this container wants answers. A failed release leaves it ready, and a
# worker's death is mended within; so unready for long, past the start, is worth a restart.
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=6 CMD ["python", "-I", "-c", "\
import http.client, os, sys; \
connection = http.client.HTTPConnection('127.0.0.1', int(os.environ['PINION_HTTP__PORT']), timeout=4); \
connection.request('GET', '/health/ready'); \
sys.exit(connection.getresponse().status != 200)"]
ENTRYPOINT ["serve"]
LABEL org.opencontainers.image.title="Pinion" \
      org.opencontainers.image.description="The production server for MLflow models, released by git." \
      org.opencontainers.image.licenses="Apache-2.0"


# The server alone, which fetches.
FROM base AS bare
COPY --from=server /installed/opt/pinion /opt/pinion
ENV PATH=/opt/pinion/bin:$PATH \
    PINION_ARTIFACT__STATE=/var/lib/pinion \
    UV_PYTHON_INSTALL_DIR=/var/lib/pinion/python \
    UV_CACHE_DIR=/var/lib/pinion/uv
VOLUME /var/lib/pinion
USER 10001:10001
ARG REVISION
ARG VERSION
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"


FROM base
COPY --from=prepared /srv/pinion/state/python /srv/pinion/state/python
COPY --from=prepared /srv/pinion/state/environments /srv/pinion/state/environments
COPY --from=prepared /srv/pinion/state/snapshots /srv/pinion/state/snapshots
COPY --from=repository /history/.git /srv/pinion/.git
COPY --from=prepared /srv/pinion/models.dvc /srv/pinion/
COPY --from=server /installed/opt/pinion /opt/pinion
ENV PATH=/opt/pinion/bin:$PATH \
    PINION_ARTIFACT__STATE=/srv/pinion/state
USER 10001:10001
# What it was made from, which `make image` says. At the end, for it differs each time.
ARG REVISION
ARG VERSION
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
