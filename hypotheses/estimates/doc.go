// Package estimates is the stage kind `hypothesis "estimates"`: numbers that other
// nodes computed, put together so that `expect` blocks can judge them. A verdict is
// about its own node; this is the node for statements about what a search or a
// preprocess found.
package estimates
