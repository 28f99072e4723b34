// Package artifact is the stage kind `dataset "artifact"`: an output of another
// experiment's node, found in the store by a tag that somebody gave to it.
//
// A tag can be moved, a key must not depend on that: the first run records the
// output's digest in the lock file (stages.Locked), and that digest is all of the
// key. So a tag that moved changes nothing until the block in the lock file is
// deleted, and the same artifact under another tag has the same results below it.
// The digest is of the output's value: its JSON, with digest and form of files and
// without their names. It is known to be a table, or a folder, by that alone.
//
// Of the three outputs one is set, by what the artifact is, and the others are
// null: `table` for a table, `file` for any other file or folder, `value` for all
// else (a number, a list of files). Their types are fixed, so that a reference is
// checked before anything runs; the type of `value` is known after the first run.
//
// Nothing is copied through the scratch folder: the outputs name content that the
// store has, or fetches from the team (stages.Artifacts). Which signers may tag
// is the store's business, see cache/trust.
package artifact
