package fsd50k

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/nbpipe/nbpipe/stages"
	"github.com/nbpipe/nbpipe/stages/nn"
	"github.com/nbpipe/nbpipe/stages/npy"
	"github.com/nbpipe/nbpipe/stages/preprocess/datafolder"
	"github.com/nbpipe/nbpipe/stages/training"
	"github.com/nbpipe/nbpipe/stages/wav"
	"github.com/nbpipe/nbpipe/stages/zipindex"
)

// Stage is a block `preprocess "fsd50k"`.
type Stage struct {
	datafolder.Common
	Archive    stages.File `attr:"archive,key" doc:"The zip archive: sound as .wav files at 22,050 Hz, csv files of chunks, lbl_map.json. It is read where it lies, not unpacked."`
	Train      string      `attr:"train,key" default:"\"tr.csv\"" doc:"The archive's csv file of training chunks, by the end of its path. Columns: files, labels (separated by commas), ext (the clip)."`
	Validation string      `attr:"validation,key" default:"\"val.csv\"" doc:"The archive's csv file of validation chunks, with the columns of train."`
	Test       string      `attr:"test,key" default:"\"eval.csv\"" doc:"The archive's csv file of test chunks, with the columns of train."`
	Labels     string      `attr:"labels,key" default:"\"lbl_map.json\"" doc:"The archive's file of the labels' numbers."`
	Noise      string      `attr:"noise,key" default:"\"noise_22050\"" doc:"Name of the archive's folder of noise that training mixes in. \"\" for none."`
}

// Kind is the kind `preprocess "fsd50k"`.
var Kind = stages.Define[Stage](stages.Kind{
	Block: "preprocess", Type: "fsd50k", Version: 1, Reproducible: true,
	Doc:     "The sound of FSD50K as log-mel spectrograms of 96 bands and 101 frames, a chunk of a second each, with 200 labels a clip: a folder that networks are trained on.",
	Outputs: datafolder.OutputDocs(),
})

// Resources implements stages.Estimator: the index of 800,000 chunks, and a block of
// spectrograms a core.
func (*Stage) Resources() stages.Resources { return stages.Resources{CPUs: 4, Memory: 384 << 20} }

// A clip may have ten minutes, where chunks have a second. Its file may have as many
// samples of 8 bytes, and a little more.
const (
	mostSamples = 600 * rate
	mostFile    = 8*mostSamples + 1<<20
)

// block is how many chunks a core works on before they are written.
const block = 16

// Run implements stages.Stage.
func (s *Stage) Run(ctx context.Context, in *stages.Input, out *stages.Output) error {
	local, err := datafolder.Open(ctx, in, "archive", s.Archive)
	if err != nil {
		return err
	}
	defer local.Close()
	archive, err := zipindex.New(local, local.Size)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	splits, labels, err := s.clips(archive)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	folder, err := datafolder.New(in)
	if err != nil {
		return err
	}
	w := &writer{in: in, archive: archive, labels: labels}
	if err := w.chunks(ctx, folder, splits); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if s.Noise != "" {
		if err := w.noise(ctx, folder, s.Noise); err != nil {
			return fmt.Errorf("noise: %w", err)
		}
	}
	if w.shortened > 0 {
		out.Warn("%d chunks are longer than a second; the %d frames in their middle were kept", w.shortened, frames)
	}
	out.Metrics["clips"] = float64(len(splits[0]) + len(splits[1]) + len(splits[2]))
	return folder.Finish(out)
}

// clips reads the label map and the three csv files.
func (s *Stage) clips(archive *zipindex.Index) ([3][]clip, int, error) {
	var splits [3][]clip
	var labels map[string]int
	err := member(archive, s.Labels, func(r io.Reader) (err error) {
		labels, err = labelMap(r)
		return err
	})
	if err != nil {
		return splits, 0, err
	}
	for i, name := range []string{s.Train, s.Validation, s.Test} {
		err := member(archive, name, func(r io.Reader) (err error) {
			splits[i], err = manifest(r, archive, labels, s.Limit)
			return err
		})
		if err != nil {
			return splits, 0, err
		}
	}
	return splits, len(labels), nil
}

// member reads a member that is found by the end of its path, to its checksum.
func member(archive *zipindex.Index, name string, read func(io.Reader) error) error {
	i, err := archive.Find(name)
	if err != nil {
		return err
	}
	r, err := archive.Open(i)
	if err != nil {
		return err
	}
	if err := read(r); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// writer turns members into rows of arrays.
type writer struct {
	in        *stages.Input
	archive   *zipindex.Index
	labels    int
	shortened int
}

// chunks writes inputs, targets and records.
func (w *writer) chunks(ctx context.Context, folder *datafolder.Folder, splits [3][]clip) error {
	var members, record []int32
	var clips []clip
	var counts [3]int
	for i, split := range splits {
		for _, c := range split {
			for _, m := range c.chunks {
				members, record = append(members, m), append(record, int32(len(clips)))
			}
			clips = append(clips, c)
			counts[i] += len(c.chunks)
		}
	}
	n := len(members)
	inputs := datafolder.NewRows[float32](folder.Dir, "inputs", npy.Float32, n, bands, frames)
	defer inputs.Abandon()
	targets := datafolder.NewRows[int32](folder.Dir, "targets", npy.Uint8, n, w.labels)
	defer targets.Abandon()
	records := datafolder.NewRows[int32](folder.Dir, "records", npy.Int32, n)
	defer records.Abandon()
	err := w.each(ctx, members, block, func(i int, mel []float32) error {
		if have := len(mel) / bands; have > frames {
			w.shortened++
			mel = cut(mel, (have-frames)/2, frames)
		}
		c := record[i]
		return errors.Join(inputs.Append(mel), targets.Append(clips[c].row(w.labels)), records.Append([]int32{c}))
	})
	if err != nil {
		return err
	}
	d := &folder.Description
	d.Task, d.Loss, d.Metric = "fsd50k", nn.BCE, nn.MAPError
	d.Splits = datafolder.Consecutive(counts[0], counts[1], counts[2])
	d.Targets, d.Records = new(training.Array), new(training.Array)
	if d.Inputs, err = inputs.Close(); err != nil {
		return err
	}
	d.Inputs.Axes, d.Inputs.Unit = []string{"sample", "height", "width"}, "dB"
	if *d.Targets, err = targets.Close(); err != nil {
		return err
	}
	*d.Records, err = records.Close()
	return err
}

// noise writes the windows of the noise files.
func (w *writer) noise(ctx context.Context, folder *datafolder.Folder, name string) error {
	var members []int32
	for i := range w.archive.Len() {
		p, err := w.archive.Name(i)
		if err != nil {
			return err
		}
		if path.Base(path.Dir(p)) == name && strings.HasSuffix(p, ".wav") {
			members = append(members, int32(i))
		}
	}
	if len(members) == 0 {
		return fmt.Errorf("the archive has no folder %q with .wav files; \"\" leaves noise out", name)
	}
	if err := byName(w.archive, members); err != nil {
		return err
	}
	rows := datafolder.NewRows[float32](folder.Dir, "noise", npy.Float32, datafolder.Unknown, bands, frames)
	defer rows.Abandon()
	err := w.each(ctx, members, 1, func(_ int, mel []float32) error {
		for first := 0; first+frames <= len(mel)/bands; first += frames {
			if err := rows.Append(cut(mel, first, frames)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	a, err := rows.Close()
	a.Axes, a.Unit = folder.Description.Inputs.Axes, folder.Description.Inputs.Unit
	folder.Description.Noise = &a
	return err
}

// each computes the spectrograms of members on all cores, so many a core at a time,
// and hands them over in order.
func (w *writer) each(ctx context.Context, members []int32, block int, take func(i int, mel []float32) error) error {
	cores := make([]*spectrogram, max(1, w.in.CPUs))
	for c := range cores {
		cores[c] = newSpectrogram()
	}
	for start := 0; start < len(members); start += block * len(cores) {
		part := members[start:min(start+block*len(cores), len(members))]
		mels := make([][]float32, len(part))
		group, ctx := errgroup.WithContext(ctx)
		for c, s := range cores {
			group.Go(func() error {
				for i := c; i < len(part) && ctx.Err() == nil; i += len(cores) {
					var err error
					if mels[i], err = w.mel(s, int(part[i])); err != nil {
						return err
					}
				}
				return ctx.Err()
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for i, mel := range mels {
			if err := take(start+i, mel); err != nil {
				return err
			}
		}
		w.in.Progress.Report(int64(start+len(part)), int64(len(members)), "clips")
	}
	return nil
}

// mel reads a member and gives its spectrogram.
func (w *writer) mel(s *spectrogram, i int) ([]float32, error) {
	r, err := w.archive.Open(i)
	if err != nil {
		return nil, err
	}
	name := r.Name()
	if r.Size() > mostFile {
		return nil, fmt.Errorf("%s: it has %d bytes, more than ten minutes take", name, r.Size())
	}
	sound, err := wav.NewReader(name, r)
	if err != nil {
		return nil, err
	}
	if sound.Rate != rate || sound.Channels != 1 {
		return nil, fmt.Errorf("%s: it has %d channels at %d Hz, and one at %d Hz is needed: convert it, such as with sox FILE -r %d -c 1 OUT",
			name, sound.Channels, sound.Rate, rate, rate)
	}
	samples, err := sound.ReadAll(mostSamples)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // to the checksum at the member's end
		return nil, err
	}
	mel, err := s.logMel(samples)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return mel, nil
}
