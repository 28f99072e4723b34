package stagetest

import (
	"path"
	"testing"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/internal/mirror"
)

// Mirror adds one of the real benchmark files, or skips the test where there is no
// mirror: see stages/internal/mirror, which packages outside of stages cannot import.
func (s Store) Mirror(tb testing.TB, name string) stages.File {
	tb.Helper()
	return s.File(path.Base(name), mirror.Read(tb, name))
}
