package search

import "github.com/nbpipe/nbpipe/stages"

// Kinds are the kinds of this keyword.
func Kinds() []*stages.Kind {
	return []*stages.Kind{
		asha, autoshrink, bananas, bohb, evolution, hyperband, lissnas, localSearch, random, reinforce,
	}
}
