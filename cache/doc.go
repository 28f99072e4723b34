// Package cache keeps results under the keys that describe how they were made.
//
// Two levels, as in Go's own build cache: a Key says how something is made
// (an action), a Digest says what bytes it is (an output). An Entry, append-only,
// leads from a key to the digests of outputs; a blob leads from a digest to bytes.
// The types are distinct so that one is never used as the other.
//
// The package knows nothing of HCL, of experiments or of stage kinds: it stores
// what it is given, says truthfully what it has, and never hands out bytes that
// it has not verified. What a key consists of is decided in pipeline/plan and
// package stages; this package only fixes how fields are encoded (Preimage).
//
// # The local store
//
// Local is a folder on a file system with working flock:
//
//	store.json           format, random ID, time of creation
//	lock                 shared by every open store, exclusive for a collection
//	generation           counts deletions; changes before one takes effect
//	blobs/ab/<sha256>    one large blob each: header, then raw or zstd bytes
//	packs/<sha256>.pack  a sealed pack: records of small blobs, entries, notes; then its index
//	packs/<random>.open  a pack that its process still appends to, holding a flock on it
//	refs/ plans/         named roots; evaluated plans, which may vanish
//	used/                which keys were used on which day
//	memo/                digests of files by path and stat
//	quarantine/ tmp/     blobs that were found bad; files that are being written
//	resume/<key>/        what stages that were cut off had done so far (ResumeFolder)
//
// What holds at each moment, and after a crash at each moment:
//
//   - A file in blobs/ is complete, durable and read-only: it was written in tmp/
//     (whose name does not need the digest that is not known yet), synced, renamed.
//   - An entry's record follows the records of the small blobs it needs in its
//     pack or in one written earlier, and is appended only after its large blobs
//     are durable. A scan ends at the first record that is not valid. So whatever
//     prefix of a pack survives, no entry in it lacks content, and one fsync a
//     batch is enough.
//   - A deletion is a record, too, which names the records it kills by pack and
//     offset; there is no order of clocks in it. Only a collection, which has the
//     store to itself, takes bytes away: it publishes what stays, with the
//     deletions, then deletes packs, then blobs.
//   - A note on a bad blob counts while no copy of the blob is there: storing the
//     same bytes again heals it.
package cache
