// Package team measures the team cache beside rclone, restic and minio-go, all
// against one MinIO server in one run, and prints one table of ratios:
//
//	ci/bench/team.sh
//
// Each thing that is measured is a process of its own, so that its CPU time and
// its memory are its alone. The package has nothing but a benchmark, since
// package s3test runs its servers for tests.
package team
