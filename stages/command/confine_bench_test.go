package command

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/sandbox"
)

// BenchmarkSandbox is BenchmarkTrivial's stage in the sandbox.
func BenchmarkSandbox(b *testing.B) {
	box := &sandbox.Sandbox{}
	in := &stages.Input{CPUs: 1, Progress: silent{}, Services: stages.Services{Environment: os.Environ(), Sandbox: box}}
	box.Support()
	base := b.TempDir()
	for i := range b.N {
		in.Scratch = filepath.Join(base, strconv.Itoa(i))
		_ = os.Mkdir(in.Scratch, 0o755)
		s := &Stage{Argv: []string{"sh", "-c", "echo 1-2 > out.txt"}, Outputs: oneOutput, Seed: 777}
		if err := s.Run(context.Background(), in, stages.NewOutput()); err != nil {
			b.Fatal(err)
		}
	}
}
