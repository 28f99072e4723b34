// Package fetch is the stage kind `dataset "fetch"`: one file from the network,
// known by its SHA-256.
//
// The digest is the key, so where the bytes come from does not matter: folders
// given with --mirror are searched first, by digest; then the url, then its
// mirrors in order. Without a sha256 in the file the first run records the
// digest in the lock file (stages.Locked), and later runs are pinned by it.
//
// A download goes on where a cut connection left it, if the server can do that
// and still has the same file; a server that stops sending, or answers with a
// status that may pass, is asked again with growing pauses. Bytes that do not
// have the digest are thrown away, and the next source is tried. An error
// lists every source with the reason why it gave nothing.
//
// Credentials (headers) go to the origin of url alone: not to mirrors
// elsewhere, not along redirects to other hosts, into no message, lock file or
// record. A proxy is taken from the environment, as net/http does.
//
// Unpacking is the sibling package archive's. Formats of data sets (csv,
// parquet, pickles) are read by `preprocess` stages.
package fetch
