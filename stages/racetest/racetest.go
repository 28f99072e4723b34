package racetest

import "testing"

// Skip skips a test under the race detector.
func Skip(t testing.TB, why string) {
	t.Helper()
	if watched {
		t.Skipf("SKIPPED under the race detector: %s", why)
	}
}
