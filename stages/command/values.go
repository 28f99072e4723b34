package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
)

// maxValue bounds the JSON of a value: it is kept with the result, and shown.
// What is longer belongs in a file or a table.
const maxValue = 1 << 20

// value reads a file of JSON as an output.
func (r *runner) value(name, rel, p string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is a folder; a value is read from a JSON file", rel)
	}
	if info.Size() > maxValue {
		return fmt.Errorf("%s has %d bytes, and a value at most %d: declare it in outputs, as a file", rel, info.Size(), maxValue)
	}
	raw, err := os.ReadFile(p)
	if err != nil {
		return err
	}
	if err := plainJSON(raw); err != nil {
		return fmt.Errorf("%s cannot be a value: %w", rel, err)
	}
	v, err := stages.DecodeJSON(raw, cty.DynamicPseudoType)
	if err != nil {
		return fmt.Errorf("%s cannot be a value: %w", rel, err)
	}
	forged := false // files have a form in JSON, too: a command must not claim content that it has not made
	stages.Files(v, func(stages.File) { forged = true })
	if forged {
		return fmt.Errorf("%s cannot be a value: it names a file as only nbpipe does; declare files in outputs", rel)
	}
	r.out.Set(name, v)
	return nil
}

// maxLevels bounds how deep a value goes.
const maxLevels = 200

// plainJSON wants one document that is not too deep.
func plainJSON(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	for level := 0; ; {
		t, err := dec.Token()
		var wrong *json.SyntaxError
		switch {
		case errors.As(err, &wrong):
			return fmt.Errorf("it is no JSON (byte %d: %w); NaN and infinity have no JSON, write null", wrong.Offset, err)
		case err == io.EOF:
			return errors.New("it is no JSON: it ends too early")
		case err != nil:
			return err
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			level++
		case json.Delim(']'), json.Delim('}'):
			level--
		}
		if level > maxLevels {
			return fmt.Errorf("it goes deeper than %d levels", maxLevels)
		}
		if level == 0 {
			break
		}
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON document")
	}
	return nil
}
