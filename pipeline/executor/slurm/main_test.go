package slurm

import (
	"os"
	"testing"

	"github.com/nbpipe/nbpipe/pipeline/executor/executortest"
)

func TestMain(m *testing.M) {
	executortest.Patient()
	os.Exit(m.Run())
}
