// Package archive unpacks archives that come from strangers.
//
// What it promises, whatever the bytes are (invariant I19, fuzzed by FuzzUnpack):
//
//   - Nothing is written outside the destination. Names are checked before
//     use (no "..", no absolute path, no control characters), and every write
//     goes through an os.Root, so that a mistake in a check is still contained.
//   - The result holds regular files and folders only. A symbolic or hard link
//     to another member becomes a copy of that member once everything is
//     unpacked; any other link is refused, as are devices, FIFOs and sockets.
//   - One name means one thing: duplicates and a file where a folder stands
//     are refused, since readers of an archive disagree on which one counts.
//   - Bombs end early: the number of members, the total size and the ratio of
//     unpacked to packed bytes have limits, and copies made of links count.
//   - Equal bytes and options give equal results: the format is told by the
//     content, never by a file name; of a mode only the executable bit is
//     kept, and no owner or time.
//
// Formats: tar, zip, and gzip, bzip2 or zstd around a tar or a single file.
//
// It knows nothing of downloads or of stages: see the sibling package fetch.
package archive
