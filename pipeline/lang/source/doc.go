// Package source reads the files of an experiment: which files of a folder
// belong to it, how large and how deeply nested a file may be, and whether a
// path stays inside the experiment's root. It records everything it read, so
// that a plan made from it can be reused until one of the files changes.
//
// It gives syntax trees and bytes. What blocks mean is the concern of its
// parent, lang.
package source
