//go:build !race

package lang_test

// slowdown is 1: nothing is instrumented for races.
const slowdown = 1
