package cache

import (
	"fmt"
	"strings"
	"time"
)

// Side is one of several different outputs of a key, with the entries that have it.
type Side struct {
	Outputs Digest   `json:"outputs"` // see Entry.OutputDigest
	Entries []Source `json:"entries"`
}

// Source is where an entry comes from.
type Source struct {
	Entry  Digest    `json:"entry"`
	Signer string    `json:"signer,omitempty"` // "" for this machine
	Time   time.Time `json:"time"`             // by the clock of the store that took it first
}

// Divergence lists the different outputs among the entries of one key, if there is
// more than one (invariant I11): the stage is not deterministic, or a machine is
// broken. The sides are in the order of their first candidates: the one in use
// comes first.
//
// An entry whose signer is not trusted has no say: who can write to the bucket
// could make any result look doubtful. One that is trusted counts even if its
// content is lost: what it says was said.
func Divergence(all []Candidate) []Side {
	var out []Side
	at := map[Digest]int{}
	for _, c := range all {
		if c.Entry == nil || c.Entry.Kind == TagKind {
			continue // not trusted, or not readable; or a tag, which changes on purpose
		}
		d := c.Entry.OutputDigest()
		i, ok := at[d]
		if !ok {
			i = len(out)
			at[d], out = i, append(out, Side{Outputs: d})
		}
		out[i].Entries = append(out[i].Entries, Source{Entry: c.Stored.Digest, Signer: c.Stored.Signer, Time: c.Stored.Time})
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// String names signer and time.
func (s Source) String() string {
	signer := s.Signer
	if signer == "" {
		signer = "this machine"
	}
	return signer + " at " + s.Time.UTC().Format(time.RFC3339)
}

// String names the outputs, by their digest, and who made them.
func (s Side) String() string {
	const most = 8
	var who []string
	for _, e := range s.Entries[:min(most, len(s.Entries))] {
		who = append(who, e.String())
	}
	if more := len(s.Entries) - most; more > 0 {
		who = append(who, fmt.Sprintf("and %d more", more))
	}
	return s.Outputs.Short() + " by " + strings.Join(who, ", ")
}
