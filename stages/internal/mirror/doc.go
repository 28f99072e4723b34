// Package mirror finds the real benchmark files for tests. It is for tests
// only: the files are large, and not part of the project.
package mirror
