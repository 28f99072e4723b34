package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/nbpipe/nbpipe/cache"
)

// Capabilities are what a server was seen to do right (invariant I18). What it
// does not, some servers do not even refuse: they overwrite in silence.
type Capabilities struct {
	ConditionalCreate    bool          `json:"conditional_create"`    // PUT with If-None-Match
	ConditionalReplace   bool          `json:"conditional_replace"`   // PUT with If-Match
	ConditionalMultipart bool          `json:"conditional_multipart"` // completing an upload with If-None-Match
	ReadAfterWrite       bool          `json:"read_after_write"`
	ListAfterWrite       bool          `json:"list_after_write"`
	RangeGet             bool          `json:"range_get"`
	Refresh              bool          `json:"refresh"` // a copy onto itself gives an object the present time
	Skew                 time.Duration `json:"skew"`    // the server's clock minus this machine's
	Probed               time.Time     `json:"probed"`
}

const probePrefix = "probe/"

// maxSkew is how far clocks may be apart before ages mean nothing (invariant I14).
const maxSkew = 5 * time.Minute

// Unusable says why a store cannot be written to, or nil.
func (c Capabilities) Unusable() error {
	var lacks []string
	for what, ok := range map[string]bool{
		"an object that was written cannot be read at once":          c.ReadAfterWrite,
		"an object that was written is not listed at once":           c.ListAfterWrite,
		"a part of an object cannot be read (Range is not honoured)": c.RangeGet,
	} {
		if !ok {
			lacks = append(lacks, what)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	slices.Sort(lacks)
	return fmt.Errorf("the server cannot hold a team cache: %s; use another server", lacks)
}

// Notes tell what works in a safe mode only.
func (c Capabilities) Notes() []string {
	var out []string
	if !c.ConditionalCreate {
		out = append(out, "the server ignores If-None-Match: objects that are there are written again, with the same bytes, and garbage cannot be collected")
	}
	if !c.ConditionalMultipart {
		out = append(out, "the server ignores If-None-Match on large uploads: two machines that publish the same large content at once both send it")
	}
	if !c.Refresh {
		out = append(out, "the server does not copy an object onto itself: garbage cannot be collected")
	}
	if c.Skew.Abs() > maxSkew {
		out = append(out, fmt.Sprintf("the server's clock is %s from this machine's: set this machine's clock", c.Skew.Round(time.Second)))
	}
	return out
}

// Probe finds out what the server does right, in a corner of its own, or returns
// what this machine remembers of it. It needs a writer's rights.
func (s *Store) Probe(ctx context.Context, again bool) (Capabilities, error) {
	var c Capabilities
	path := filepath.Join(s.Dir, s.id, "probe.json")
	if s.Dir != "" && !again {
		if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &c) == nil {
			return c, nil
		}
	}
	c, err := s.probe(ctx)
	if err != nil {
		return c, fmt.Errorf("probing what the server can do: %w", err)
	}
	if b, err := json.Marshal(c); err == nil && s.Dir != "" && os.MkdirAll(filepath.Dir(path), 0o755) == nil {
		_ = cache.ReplaceFile(path, b, 0o644, false) // else it is probed again
	}
	return c, nil
}

func (s *Store) probe(ctx context.Context) (c Capabilities, err error) {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return c, err
	}
	corner := probePrefix + hex.EncodeToString(id[:]) + "/"
	small, large := corner+"small", corner+"large"
	// A writer may not delete; then a few bytes stay there.
	defer func() {
		for _, name := range []string{small, large} {
			_ = s.objects.remove(context.WithoutCancel(ctx), name)
		}
	}()
	first, second := []byte("0123456789"), []byte("abcdefghij")
	// Of a request whose answer was lost, the next attempt finds its own object.
	if _, err := s.put(ctx, small, first, condition{absent: true}); s.exists(err) != nil {
		return c, err
	}
	_, err = s.put(ctx, small, second, condition{absent: true})
	if err != nil && !errors.Is(err, errExists) {
		return c, err
	}
	c.ConditionalCreate = errors.Is(err, errExists)
	if _, err := s.put(ctx, small, first, always); err != nil {
		return c, err
	}
	b, i, err := s.get(ctx, small, 0, int64(len(first)))
	if err != nil && !errors.Is(err, errNotFound) {
		return c, err
	}
	c.ReadAfterWrite = bytes.Equal(b, first)
	_, err = s.put(ctx, small, first, condition{etag: "00000000000000000000000000000000"})
	c.ConditionalReplace = errors.Is(err, errExists)
	found, err := s.list(ctx, corner)
	if err != nil {
		return c, err
	}
	c.ListAfterWrite = len(found) == 1 && found[0].name == small && found[0].size == int64(len(first))
	b, err = s.probeRange(ctx, small)
	if err != nil {
		return c, err
	}
	c.RangeGet = bytes.Equal(b, first[3:7])
	c.Refresh = s.probeRefresh(ctx, small, i)
	if c.ConditionalMultipart, err = s.probeMultipart(ctx, large); err != nil {
		return c, err
	}
	c.Skew, _ = s.serverSkew()
	c.Probed = s.Now().UTC().Truncate(time.Second)
	return c, nil
}

// probeRange asks for four bytes, and takes what comes.
func (s *Store) probeRange(ctx context.Context, name string) (b []byte, err error) {
	err = s.do(ctx, "reading a part of "+name, func(ctx context.Context) error {
		r, _, err := s.open(ctx, name, 3, 4)
		if err != nil {
			return err
		}
		defer r.Close()
		var buf bytes.Buffer
		_, err = buf.ReadFrom(r)
		if b = buf.Bytes(); err == nil && len(b) < 4 {
			return io.ErrUnexpectedEOF // cut off on the way: that says nothing of the server
		}
		return err
	})
	return b, err
}

func (s *Store) probeRefresh(ctx context.Context, name string, before info) bool {
	if s.refresh(ctx, name, before.size) != nil {
		return false
	}
	after, err := s.head(ctx, name)
	return err == nil && after.size == before.size && !after.modified.Before(before.modified)
}

func (s *Store) probeMultipart(ctx context.Context, name string) (bool, error) {
	complete := func() error {
		var id string
		err := s.writing(ctx, "starting to write "+name, func(ctx context.Context) (err error) {
			id, err = s.objects.begin(ctx, name)
			return err
		})
		if err != nil {
			return err
		}
		defer func() { // of an upload that was completed, there is nothing left to end
			_ = s.objects.abort(context.WithoutCancel(ctx), name, id)
		}()
		var part minio.CompletePart
		err = s.writing(ctx, "writing "+name, func(ctx context.Context) (err error) {
			b := []byte("one part")
			part, err = s.objects.part(ctx, name, id, 1, bytes.NewReader(b), int64(len(b)))
			return err
		})
		if err != nil {
			return err
		}
		return s.writing(ctx, "completing "+name, func(ctx context.Context) error {
			return s.objects.complete(ctx, name, id, []minio.CompletePart{part}, condition{absent: true})
		})
	}
	if err := s.exists(complete()); err != nil && !errors.Is(err, errNotFound) {
		return false, err
	}
	err := complete()
	switch {
	case errors.Is(err, errExists):
		return true, nil
	case errors.Is(err, errNotFound): // an earlier attempt, whose answer was lost, has completed it
		return false, nil
	}
	return false, err
}
