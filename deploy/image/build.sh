#!/usr/bin/env bash
# Build the image with docker or, where there is only that, buildah, and tell its size layer by layer.
# Run by `make image`; arguments go to the builder, as in: make image ARGS="--target bare --tag pinion-bare".
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
labels=(--build-arg "REVISION=$(git rev-parse HEAD)" --build-arg "VERSION=$version")
[[ " $* " == *" --tag "* ]] || set -- --tag pinion "$@"
archive=$(mktemp -d)
trap 'rm -rf "$archive"' EXIT

if docker info >/dev/null 2>&1; then
  docker build --iidfile "$archive/id" "${labels[@]}" "$@" .
  docker save --output "$archive/image.tar" "$(cat "$archive/id")"
else
  buildah build --format docker --layers --iidfile "$archive/id" "${labels[@]}" "$@" .
  buildah push --quiet "$(cat "$archive/id")" "docker-archive:$archive/image.tar"
fi
"${PYTHON:-python3}" deploy/image/sizes.py "$archive/image.tar"
