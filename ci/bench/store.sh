#!/usr/bin/env bash
# The local store beside plain loops over the same files, in one run: hashing
# large and small files against crypto/sha256, and restoring 1,000 files.
# A ratio is the store's time over the plain loop's: the median of 5 rounds,
# in which the two take turns.
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
go test -c -o "$scratch/cache.test" ./cache
for _ in 1 2 3 4 5; do
  "$scratch/cache.test" -test.run '^$' -test.benchtime 20x -test.bench 'HashLarge$|HashSmall$|Restore1000$'
done | awk '
  /^Benchmark/ { name = $1; sub(/-[0-9]+$/, "", name); sub(/^Benchmark/, "", name); if (!(name in n)) n[name] = 0; t[name, n[name]++] = $3 }
  function median(name, i, j, x, k) {
    for (i = 1; i < n[name]; i++) { x = t[name, i]; for (j = i; j > 0 && t[name, j-1] > x; j--) t[name, j] = t[name, j-1]; t[name, j] = x }
    return t[name, int(n[name] / 2)]
  }
  END {
    split("HashLarge HashSmall Restore1000", names, " ")
    for (k = 1; k <= 3; k++) {
      a = median(names[k]); b = median("Plain" names[k])
      printf "%-12s %8.1f ms   plain %8.1f ms   ratio %.2f\n", names[k], a / 1e6, b / 1e6, a / b
    }
  }'
