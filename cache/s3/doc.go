// Package s3 keeps results in a bucket of an S3-compatible service, for a team.
//
// It is for sharing what local stores hold. It decides nothing about trust: an
// entry is stored and returned as it is, and who reads it checks its signature
// (package trust, cache.Options.Trust). It is no general client for S3, and no
// file system.
//
// # Layout
//
// All names lie under one prefix; none is a prefix of another one's path, since
// some servers refuse that.
//
//	store.json                        format, random ID (the scope of signatures), time of creation
//	blobs/ab/<sha256>                 one large blob: header, then raw or zstd bytes, as in a local store
//	packs/ab/<sha256>                 many small blobs, then their index; named by the digest of the whole
//	entries/<key>/<signer>.<sha256>   one result each, append-only
//	refs/<name>                       roots of garbage collection
//	trash/<id>                        tombstones of garbage collection
//	lease/gc                          who collects garbage just now
//	probe/<id>/...                    corner of the capability probe
//	actions/ attempts/                work area of executors; see Work
//
// A folder that machines share (Config.Folder) holds the same, a file an object.
//
// # What holds
//
//   - A pack is one object with its own index, so that no index can speak of a
//     pack that is not there.
//   - Everything that an entry needs is stored, and acknowledged, before the
//     entry is (invariant I2).
//   - Objects are made with If-None-Match; 412 means that it is there (I1). After
//     wrong bytes were seen under a name, it is overwritten with verified ones.
//   - Nothing that comes from the server is believed: lengths, digests and
//     signatures are checked on every read (I5).
//   - Only refs, leases and tombstones are ever replaced; a writer deletes
//     nothing (I12).
package s3
