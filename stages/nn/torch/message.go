package torch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/nbpipe/nbpipe/stages/nn"
)

// maxLine is the longest line that is read: those of the script are far below.
const maxLine = 1 << 20

// message is one line from the script; which fields it has depends on Type.
type message struct {
	Type string `json:"type"`
	Probe

	Done  int `json:"done"` // step
	Total int `json:"total"`

	Epoch   int             `json:"epoch"`   // want, diverged
	Step    int             `json:"step"`    // diverged
	Loss    string          `json:"loss"`    // diverged: JSON has no NaN
	Figures json.RawMessage `json:"figures"` // epoch: of the course

	Kind    Kind   `json:"kind"`    // error
	Message string `json:"message"` // error, warning
	Detail  string `json:"detail"`  // error
}

func decodeMessage(line []byte) (*message, error) {
	m := new(message)
	if err := json.Unmarshal(line, m); err != nil || m.Type == "" {
		return nil, &Error{Kind: Malformed, Message: fmt.Sprintf("what Python printed is no answer of the script: %.200q; does something wrap the interpreter, and print?", bytes.TrimSpace(line))}
	}
	return m, nil
}

// failure is the error that a message tells of, or nil.
func (m *message) failure() error {
	switch m.Type {
	case "error":
		return &Error{Kind: m.Kind, Message: m.Message, Detail: m.Detail}
	case "diverged":
		loss, err := strconv.ParseFloat(m.Loss, 64)
		if err != nil {
			loss = math.NaN()
		}
		return &nn.DivergedError{Epoch: m.Epoch, Step: m.Step, Loss: loss}
	}
	return nil
}

func unexpected(m *message) error {
	return &Error{Kind: Malformed, Message: fmt.Sprintf("the script sent an unexpected message of type %q", m.Type)}
}
