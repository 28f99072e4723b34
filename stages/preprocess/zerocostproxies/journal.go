package zerocostproxies

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"github.com/nbpipe/nbpipe/stages/nn/proxies"
)

// journal keeps finished scores, a line of JSON each, so that hours of work
// outlive a kill. A nil file keeps nothing.
type journal struct{ file *os.File }

type journalLine struct {
	Architecture int                        `json:"architecture"`
	Scores       map[proxies.Proxy]*float64 `json:"scores"` // null where undefined
}

// openJournal reads what a former attempt has left, and goes on after its last
// whole line.
func openJournal(path string) (*journal, map[int]map[proxies.Proxy]float64, error) {
	scores := map[int]map[proxies.Proxy]float64{}
	if path == "" {
		return &journal{}, scores, nil
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	whole := 0
	for advance := 0; ; whole += advance {
		var token []byte
		if advance, token, _ = bufio.ScanLines(text[whole:], false); advance == 0 {
			break
		}
		var line journalLine
		if json.Unmarshal(token, &line) != nil || line.Scores == nil {
			break // cut off within it
		}
		scores[line.Architecture] = line.plain()
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Truncate(int64(whole)); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(int64(whole), 0); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return &journal{f}, scores, nil
}

func (l *journalLine) plain() map[proxies.Proxy]float64 {
	out := make(map[proxies.Proxy]float64, len(l.Scores))
	for p, v := range l.Scores {
		if out[p] = math.NaN(); v != nil {
			out[p] = *v
		}
	}
	return out
}

// add writes a line.
func (j *journal) add(number int, scores map[proxies.Proxy]float64) error {
	if j.file == nil {
		return nil
	}
	line := journalLine{number, make(map[proxies.Proxy]*float64, len(scores))}
	for p, v := range scores {
		if line.Scores[p] = nil; !math.IsNaN(v) {
			line.Scores[p] = &v
		}
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("keeping the scores of architecture %d: %w", number, err)
	}
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
