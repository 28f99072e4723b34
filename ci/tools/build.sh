#!/usr/bin/env bash
# ci/tools/build.sh NAME... builds programs that tests and benchmarks run: each
# is a module of its own here, pinned by its go.mod and go.sum, so that none of
# what it needs is in nbpipe's own. Prints the path of each.
#
# A file's name has a digest of the pin and of Go's version: what is there is
# right, and a changed pin is built anew. cache/s3test computes the same names.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${NBPIPE_CI_TOOLS:-$HOME/.cache/nbpipe-ci}/bin
mkdir -p "$bin"
[ $# -gt 0 ] || { echo "usage: $0 NAME..., of: $(cd "$here" && echo */ | tr -d /)" >&2; exit 2; }

for name in "$@"; do
  cd "$here/$name"
  pin=$({ cat go.mod go.sum; go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-16)
  file=$bin/$name-$pin
  if [ ! -x "$file" ]; then
    tmp=$(mktemp "$bin/.$name.XXXXXX")
    trap 'rm -f "$tmp"' EXIT
    CGO_ENABLED=0 go build -mod=readonly -buildvcs=false -trimpath -ldflags='-s -w' -o "$tmp" tool
    mv "$tmp" "$file"
  fi
  # go test keeps the results of tests that were skipped for want of the program.
  # It watches files of the module only, so one there says what was built.
  [ "$(cat .built 2>/dev/null)" = "$file" ] || echo "$file" >.built
  echo "$file"
done
