// Package zipindex reads zip archives (APPNOTE.TXT 6.3, zip64 too) of very many
// members, such as the 24 GB of FSD50K's sound, and opens them in any order.
//
// It is there for memory: archive/zip keeps more than 400 bytes a member, which is
// over 300 MB for 800,000 clips; an index keeps 12, and reads the rest from the
// archive's own directory when it is asked for. Nothing is allocated because a field
// says so: an index is never larger than the directory, which has a limit.
//
// Whoever wants an archive as a folder unpacks it with stages/dataset/archive.
package zipindex
