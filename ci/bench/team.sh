#!/usr/bin/env bash
# The team cache beside rclone, restic and minio-go, all on the same MinIO: 1 GiB
# up and down, 2,000 small results 20 ms away, memory, CPU time. Flags are the
# benchmark's: -rounds 5, -large (10 GiB instead of 2 where memory is measured,
# needs 21 GiB of disk), -profiles DIR.
set -euo pipefail
cd "$(dirname "$0")/../.."
ci/tools/build.sh minio rclone restic >/dev/null
# What is timed lies in memory if there is enough of it: else the disk is what is measured.
memory=()
free() { df --output=avail -m /dev/shm 2>/dev/null | tail -1; }
available() { awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }
if [ "$(free || echo 0)" -gt 10000 ] && [ "$(available || echo 0)" -gt 10000 ]; then memory=(-memory /dev/shm); fi
go test -count 1 -timeout 2h -run '^$' -bench TeamCache -benchtime 1x ./ci/bench/team -args ${memory[@]+"${memory[@]}"} "$@"
