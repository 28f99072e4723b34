package nn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// DecodeNetwork reads the JSON form of a network and validates it. Unknown
// fields and text after the network are errors.
func DecodeNetwork(text []byte) (*Network, error) {
	n := new(Network)
	if err := decodeStrict(text, n); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	if err := n.Validate(); err != nil {
		return nil, err
	}
	return n, nil
}

// Encode returns the JSON form that DecodeNetwork reads. Equal networks have
// equal bytes.
func (n *Network) Encode() ([]byte, error) { return json.Marshal(n) }

// DecodeRecipe reads the JSON form of a recipe and validates it.
func DecodeRecipe(text []byte) (*Recipe, error) {
	r := new(Recipe)
	if err := decodeStrict(text, r); err != nil {
		return nil, fmt.Errorf("recipe: %w", err)
	}
	if err := r.Validate(); err != nil {
		return nil, err
	}
	return r, nil
}

func decodeStrict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows it")
	}
	return nil
}
