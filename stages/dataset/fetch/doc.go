// Package fetch is the stage kind `dataset "fetch"`: one file from the network,
// known by its SHA-256.
//
// The digest is the key, so where the bytes come from does not matter: folders
// given with --mirror are searched first, by digest; then the url, then its
// mirrors in order. Without a sha256 in the file the first run records the
// digest in the lock file (stages.Locked), and later runs are pinned by it.
//
// A file is asked for by a source: web for http and https, object for a bucket's
// s3:// URLs, driveFile for links to Google Drive. Sources make requests and read
// what is said instead of the file (a region, a refusal, a page); the transfer is
// the same for all.
//
// A download goes on where a cut connection left it, if the server can do that
// and still has the same file; a server that stops sending, or answers with a
// status that may pass, is asked again with growing pauses. Bytes that do not
// have the digest are thrown away, and the next source is tried. An error
// lists every source with the reason why it gave nothing.
//
// Headers, which may be credentials, go to the origin of url alone: not to mirrors
// elsewhere, not along redirects to other hosts, into no message, lock file or
// record. A proxy is taken from the environment, as net/http does. Requests to
// buckets are signed with the credentials of the AWS and MinIO command lines, or
// the machine's role; where there are none, or they are refused, the bucket is
// asked without. They are looked for once a run, and never offline.
//
// A web page that Google Drive sends (a warning before large files, a quota, a
// sign-in) is never taken for the data, unless it has the sha256 of the file.
//
// Unpacking is the sibling package archive's. Formats of data sets (csv,
// parquet, pickles) are read by `preprocess` stages.
package fetch
