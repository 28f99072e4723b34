// Package s3test runs S3 servers for tests and benchmarks, and breaks the way to
// them.
//
// Three servers, each for what it is good at:
//
//   - [MinIO] is the reference: conditional writes, multipart uploads, checksums
//     and users with policies ([Server.User]) do what S3 documents.
//   - [VersityGW] is the adversary: it publishes an object that was cut off in
//     mid-upload over the one that was there, overwrites in a conditional
//     multipart upload, and refuses a key under another key. What passes on it
//     needs little of a server.
//   - [Fake] runs in the process and starts at once: for tests of units. It
//     checks no credentials and keeps its objects in memory.
//
// [NewProxy] stands in front of any of them and does what networks and loaded
// servers do: see [Faults]. Whether a request meets a fault depends on the seed
// and on what is requested, not on when, so a failure is replayed by its seed.
//
// The servers are real programs, built by ci/tools/build.sh. A test that needs
// one that is missing is skipped, and fails where NBPIPE_CI is set.
//
// It is not a way to run a server for anything but a test: the secrets are
// known, there is no TLS, and all data is removed when the test ends. Only tests
// and ci/bench import it.
package s3test
