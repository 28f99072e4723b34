package fsd50k

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nbpipe/nbpipe/stages/zipindex"
)

const (
	mostLabelMap = 1 << 20 // bytes of lbl_map.json
	mostLabels   = 1 << 12
	mostChunks   = 1 << 26 // of a csv file
	mostRow      = 1 << 20 // bytes of a row
)

// labelMap reads lbl_map.json: a label's name to its number, from 0 without gaps.
func labelMap(r io.Reader) (map[string]int, error) {
	text, err := io.ReadAll(io.LimitReader(r, mostLabelMap+1))
	if err != nil {
		return nil, err
	}
	var labels map[string]int
	if err := json.Unmarshal(text, &labels); err != nil {
		return nil, fmt.Errorf("it is no object of numbers by label: %w", err)
	}
	seen := make([]bool, len(labels))
	for name, n := range labels {
		if n < 0 || n >= len(seen) || seen[n] {
			return nil, fmt.Errorf("label %q has number %d; the %d labels are to be numbered from 0, each once", name, n, len(labels))
		}
		seen[n] = true
	}
	if len(labels) < 1 || len(labels) > mostLabels {
		return nil, fmt.Errorf("it has %d labels", len(labels))
	}
	return labels, nil
}

// clip is a recording: its labels and its chunks, as members of the archive.
type clip struct {
	labels []int16
	chunks []int32
}

// manifest reads a csv file of chunks (columns files, labels, ext, which is the
// clip). Clips come in the file's order, a clip's chunks in that of their names; of
// more clips than limit the first are kept (0: all).
func manifest(r io.Reader, archive *zipindex.Index, labels map[string]int, limit int) ([]clip, error) {
	guard := &bounded{r: r, left: mostRow}
	rows := csv.NewReader(guard)
	rows.ReuseRecord = true
	columns, err := header(rows)
	if err != nil {
		return nil, err
	}
	var clips []clip
	place := map[string]int{}
	for n := 0; ; n++ {
		guard.left = mostRow
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if n >= mostChunks {
			return nil, fmt.Errorf("it has more than %d rows", mostChunks)
		}
		file, names, id := row[columns[0]], row[columns[1]], row[columns[2]]
		k, seen := place[id]
		if !seen {
			k = len(clips)
			if limit > 0 && k >= limit {
				k = -1
			} else {
				numbers, err := numbered(names, labels)
				if err != nil {
					return nil, fmt.Errorf("clip %q: %w", id, err)
				}
				clips = append(clips, clip{labels: numbers})
			}
			place[strings.Clone(id)] = k
		}
		if k < 0 {
			continue
		}
		member, err := archive.Find(file)
		if err != nil {
			return nil, err
		}
		clips[k].chunks = append(clips[k].chunks, int32(member))
	}
	if len(clips) == 0 {
		return nil, errors.New("it has no clips")
	}
	for _, c := range clips {
		if err := byName(archive, c.chunks); err != nil {
			return nil, err
		}
	}
	return clips, nil
}

// byName sorts members by their names.
func byName(archive *zipindex.Index, members []int32) error {
	names := make(map[int32]string, len(members))
	for _, m := range members {
		name, err := archive.Name(int(m))
		if err != nil {
			return err
		}
		names[m] = name
	}
	slices.SortFunc(members, func(a, b int32) int { return strings.Compare(names[a], names[b]) })
	return nil
}

// bounded ends a row that does not end.
type bounded struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a row has more than %d bytes", mostRow)
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// header finds the columns by name.
func header(rows *csv.Reader) ([3]int, error) {
	var at [3]int
	names, err := rows.Read()
	if err != nil {
		return at, fmt.Errorf("it has no header: %w", err)
	}
	for i, want := range []string{"files", "labels", "ext"} {
		if at[i] = slices.Index(names, want); at[i] < 0 {
			return at, fmt.Errorf("it has no column %q; its columns are %.200q", want, names)
		}
	}
	return at, nil
}

// numbered turns label names, separated by commas, into numbers.
func numbered(names string, labels map[string]int) ([]int16, error) {
	var out []int16
	for name := range strings.SplitSeq(names, ",") {
		n, ok := labels[name]
		if !ok {
			return nil, fmt.Errorf("label %.80q is none of lbl_map.json", name)
		}
		out = append(out, int16(n))
	}
	return out, nil
}

// row is a clip's targets.
func (c *clip) row(labels int) []int32 {
	out := make([]int32, labels)
	for _, l := range c.labels {
		out[l] = 1
	}
	return out
}
