package queue

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nbpipe/nbpipe/cache/s3"
)

// Keys are whom a queue believes, and what this side signs with.
type Keys struct {
	Workers    ed25519.PublicKey  // claims and results
	Controller ed25519.PublicKey  // what is cancelled
	Own        ed25519.PrivateKey // of this side
}

// A record is what one side says: two lines, an empty one, and JSON.
//
//	nbpipe record 1
//	signature BASE64
//
// The signature covers the object's name, and so the queue, the attempt and what the
// record is, and the JSON.
const recordMagic = "nbpipe record 1\n"

func signedBytes(name string, body []byte) []byte {
	b := binary.AppendUvarint([]byte(recordMagic), uint64(len(name)))
	b = append(b, name...)
	return append(b, body...)
}

func (q *Queue) seal(name string, doc any) ([]byte, error) {
	body, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	signature := ed25519.Sign(q.keys.Own, signedBytes(name, body))
	b := fmt.Appendf(nil, "%ssignature %s\n\n", recordMagic, base64.StdEncoding.EncodeToString(signature))
	return append(b, body...), nil
}

// open returns the JSON of a record that the holder of a key has signed for a name.
func open(name string, b []byte, by ed25519.PublicKey) ([]byte, error) {
	rest, ok := bytes.CutPrefix(b, []byte(recordMagic+"signature "))
	line, body, cut := bytes.Cut(rest, []byte("\n\n"))
	if !ok || !cut {
		return nil, errors.New("it is no record of this version")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(string(line))
	if err != nil || len(by) != ed25519.PublicKeySize || !ed25519.Verify(by, signedBytes(name, body), signature) {
		return nil, errors.New("it is not signed by who would have written it: it was forged or damaged")
	}
	return body, nil
}

// record reads what the holder of a key says.
func (q *Queue) record(ctx context.Context, name string, most int64, by ed25519.PublicKey, doc any) error {
	b, err := q.get(ctx, name, most)
	if err != nil {
		return err
	}
	body, err := open(name, b, by)
	if err == nil {
		err = json.Unmarshal(body, doc)
	}
	if err != nil {
		return &RecordError{name, err}
	}
	return nil
}

// put writes a record, in place of what may be there.
func (q *Queue) put(ctx context.Context, name string, doc any) error {
	b, err := q.seal(name, doc)
	if err != nil {
		return err
	}
	return q.work.Put(ctx, name, b)
}

// RecordError says that an object of a queue is not what it should be, and concerns
// one attempt: others, and the store, may be all right.
type RecordError struct {
	Name string
	Err  error
}

func (e *RecordError) Error() string { return e.Name + " is not believed: " + e.Err.Error() }

// Unwrap gives what is wrong with it.
func (e *RecordError) Unwrap() error { return e.Err }

func (q *Queue) get(ctx context.Context, name string, most int64) ([]byte, error) {
	b, err := q.work.Get(ctx, name, most)
	if errors.Is(err, s3.ErrObject) {
		err = &RecordError{name, err}
	}
	return b, err
}
