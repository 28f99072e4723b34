// Package team puts a shared store behind a local one: what a run lacks it looks
// for in the bucket before it runs anything, and what it makes goes there, signed.
//
// It moves entries and content between two stores and keeps account of it. It
// decides neither what a key is, nor whom to trust, nor which nodes to run, and
// a bucket that is away, empty or lying costs a run time, never its result.
package team
