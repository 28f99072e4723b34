//go:build race

package lang_test

// slowdown is how much longer the race detector lets evaluation take.
const slowdown = 6
