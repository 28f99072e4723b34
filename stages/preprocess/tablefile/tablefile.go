package tablefile

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nas/table"
)

// Set writes the table and records it as the output of that name.
func Set(in *stages.Input, out *stages.Output, output string, t *table.Table) error {
	path := filepath.Join(in.Scratch, output+".nbtable")
	if err := write(path, t); err != nil {
		return fmt.Errorf("writing output %s: %w", output, err)
	}
	out.SetTable(output, path, output+".nbtable")
	return nil
}

func write(path string, t *table.Table) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := t.Encode(w); err != nil {
		return err
	}
	return w.Flush()
}
