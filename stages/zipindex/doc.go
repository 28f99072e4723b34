// Package zipindex reads zip archives (APPNOTE.TXT 6.3, zip64 too) of very many
// members, such as the 24 GB of FSD50K's sound, and opens them in any order.
//
// It is there for memory: archive/zip keeps more than 400 bytes a member beside its
// name, which is over 300 MB for 800,000 clips; an index keeps about 60. Nothing is
// allocated because a field says so: an index is never larger than the archive's own
// directory, which has a limit.
//
// Whoever wants an archive as a folder unpacks it with stages/dataset/archive.
package zipindex
