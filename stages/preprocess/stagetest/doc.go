// Package stagetest runs a stage kind in a test as the engine would: attributes
// converted and defaults filled in, checked, outputs held against their
// declared types. Inputs live in memory. It is for tests only.
package stagetest
