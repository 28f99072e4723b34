package datafolder

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/zclconf/go-cty/cty"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/training"
)

// Folder is a data folder that is being written.
type Folder struct {
	Dir         string // array files go here
	Description training.Description
}

// New makes the folder.
func New(in *stages.Input) (*Folder, error) {
	f := &Folder{Dir: filepath.Join(in.Scratch, "data")}
	return f, os.Mkdir(f.Dir, 0o755)
}

// Common is what the kinds share that read a task's own files: the attribute limit,
// and their outputs.
type Common struct {
	Limit int `attr:"limit,key" default:"0" doc:"Only so many samples of each split, the first ones; 0 for all. Of recordings, clips and proteins it counts these, with all that belongs to them."`
}

// OutputTypes implements stages.Stage.
func (*Common) OutputTypes(stages.Attrs) map[string]cty.Type {
	return map[string]cty.Type{
		"data":    stages.FileType,
		"samples": cty.Object(map[string]cty.Type{training.Train: cty.Number, training.Validation: cty.Number, training.Test: cty.Number}),
	}
}

// Check implements stages.Checker.
func (*Common) Check(attrs stages.Attrs) []stages.Problem { return CheckCommon(attrs) }

// CheckCommon is Check, for kinds that check more.
func CheckCommon(attrs stages.Attrs) training.Problems {
	var p training.Problems
	p.Whole(attrs, "limit", 0, 1<<31)
	return p
}

// OutputDocs say what they are.
func OutputDocs() map[string]string {
	return map[string]string{
		"data":    "Folder with the arrays and dataset.json: for training.",
		"samples": "By split (train, validation, test): how many samples there are.",
	}
}

// Consecutive are splits that lie one after the other.
func Consecutive(train, validation, test int) training.Splits {
	return training.Splits{
		Train:      training.Range{First: 0, Count: train},
		Validation: training.Range{First: train, Count: validation},
		Test:       training.Range{First: train + validation, Count: test},
	}
}

// Finish checks and writes the description, and sets the outputs.
func (f *Folder) Finish(out *stages.Output) error {
	text, err := json.Marshal(f.Description)
	if err != nil {
		return err
	}
	if _, err := training.ParseDescription(text); err != nil {
		return err
	}
	s := f.Description.Splits
	out.SetFile("data", f.Dir, "data")
	out.Set("samples", cty.ObjectVal(map[string]cty.Value{
		training.Train:      cty.NumberIntVal(int64(s.Train.Count)),
		training.Validation: cty.NumberIntVal(int64(s.Validation.Count)),
		training.Test:       cty.NumberIntVal(int64(s.Test.Count)),
	}))
	return os.WriteFile(filepath.Join(f.Dir, training.DescriptionFile), append(text, '\n'), 0o644)
}

// Limited is the number of n things that a limit leaves; limit 0 leaves all.
func Limited(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}
