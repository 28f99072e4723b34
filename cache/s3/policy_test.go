package s3

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
)

var removeOptions minio.RemoveObjectOptions

// TestI12_Roles: on a real server, the policies allow what a role needs: a reader
// reads and is told once that it cannot write; a writer publishes, and cannot delete.
func TestI12_Roles(t *testing.T) {
	t.Parallel()
	server := s3test.MinIO(t)
	c := config(t, server)
	from := openLocal(t)
	items := append(artifacts(t, from, 3, 100, 1), artifacts(t, from, 1, 40<<20, 100)...)
	admin := initTest(t, c)
	as := func(r Role) (Config, *[]string) {
		access, secret := server.User(t, string(r), Policy(r, c.Bucket, c.Prefix))
		u := c
		u.Credentials = credentials.NewStaticV4(access, secret, "")
		u.Dir = t.TempDir()
		var told []string
		u.Event = func(m string) { told = append(told, m) }
		return u, &told
	}
	open := func(c Config) *Store {
		t.Helper()
		s, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}

	readerConfig, told := as(Reader)
	reader := open(readerConfig)
	if _, err := reader.Push(t.Context(), from, items, nil); err == nil || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a reader's push: %v", err)
	}
	if _, err := reader.Push(t.Context(), from, items, nil); err == nil {
		t.Error("a reader's second push went through")
	}
	if len(*told) != 1 || !strings.Contains((*told)[0], "cannot write") {
		t.Errorf("told %q", *told)
	}

	writerConfig, _ := as(Writer)
	writer := open(writerConfig)
	got, err := writer.Push(t.Context(), from, items, nil)
	wantPushed(t, got, err, 4, 0, 0)
	work := "attempts/q/tickets/a"
	if err := writer.Work().Put(t.Context(), work, []byte("x")); err != nil {
		t.Error(err)
	}
	if err := writer.Work().Delete(t.Context(), work); err != nil {
		t.Errorf("what executors said: %v", err)
	}
	if err := writer.Work().Put(t.Context(), "actions/a", []byte("x")); err != nil {
		t.Error(err)
	}
	if err := writer.Work().Delete(t.Context(), "actions/a"); err == nil {
		t.Error("a writer deleted an action")
	}
	if err := writer.core.RemoveObject(t.Context(), c.Bucket, admin.Prefix+entryName(items[0].Entry), removeOptions); err == nil {
		t.Error("a writer could delete")
	}
	if err := writer.SetRef(t.Context(), "tags/v1", []byte("{}")); err != nil {
		t.Errorf("a writer's tag: %v", err)
	}
	if err := writer.DeleteRef(t.Context(), "tags/v1"); err == nil || !strings.Contains(err.Error(), "--policies") {
		t.Errorf("a writer deletes a tag: %v", err)
	}

	to := openLocal(t)
	if pulled, err := reader.PullEntries(t.Context(), to, keysOf(items)); err != nil || pulled.Entries != 4 {
		t.Errorf("a reader's pull: %+v, %v", pulled, err)
	}
	if err := reader.FetchAll(t.Context(), to, needsOf(items), nil); err != nil {
		t.Error(err)
	}
	wantHere(t, from, to, items)
}

// TestI4_DanglingAndDamaged: a lifecycle rule, or a thief, may take or change any
// object at any moment: what needs it is missing, never wrong, and is healed.
func TestI4_DanglingAndDamaged(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			c := config(t, server)
			s, from := initTest(t, c), openLocal(t)
			items := append(artifacts(t, from, 2, 100, 1), artifacts(t, from, 1, 3<<20, 101)...)
			got, err := s.Push(t.Context(), from, items, nil)
			wantPushed(t, got, err, 3, 0, 0)
			large, heals := items[2].Needs[0], 0
			raw := server.Client(t)
			overwrite := func(name string, change func([]byte) []byte) {
				t.Helper()
				b, _, err := s.get(t.Context(), name, 0, -1)
				if err != nil {
					t.Fatal(err)
				}
				b = change(bytes.Clone(b))
				if _, err := raw.PutObject(t.Context(), c.Bucket, s.Prefix+name, bytes.NewReader(b), int64(len(b)), putOptions(always)); err != nil {
					t.Fatal(err)
				}
			}
			fetch := func(d cache.Digest) error {
				c := c
				c.Dir = t.TempDir()
				return initTest(t, c).FetchAll(t.Context(), openLocal(t), []cache.Digest{d}, nil)
			}
			for what, change := range map[string]func([]byte) []byte{
				"flipped":    func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
				"cut off":    func(b []byte) []byte { return b[:len(b)/2] },
				"emptied":    func([]byte) []byte { return nil },
				"lengthened": func(b []byte) []byte { return append(b, 0) },
			} {
				overwrite(blobName(large), change)
				if err := fetch(large); !cache.IsMissing(err) {
					t.Errorf("%s: a fetch gives %v", what, err)
				}
				// Whoever has seen it and has the right bytes puts them there again.
				healer := initTest(t, c)
				_ = healer.FetchAll(t.Context(), openLocal(t), []cache.Digest{large}, nil)
				again := items[2:]
				heals++
				again[0].Entry.Signer = fmt.Sprintf("healer-%d", heals)
				if got, err := healer.Push(t.Context(), from, again, nil); err != nil || got.Published+got.Present != 1 {
					t.Fatalf("%s: %+v, %v", what, got, err)
				}
				if err := fetch(large); err != nil {
					t.Errorf("%s: it was not healed: %v", what, err)
				}
			}
			if err := raw.RemoveObject(t.Context(), c.Bucket, s.Prefix+blobName(large), removeOptions); err != nil {
				t.Fatal(err)
			}
			if err := fetch(large); !cache.IsMissing(err) {
				t.Errorf("deleted: %v", err)
			}
			packs, err := s.list(t.Context(), "packs/")
			if err != nil || len(packs) != 1 {
				t.Fatalf("%d packs, %v", len(packs), err)
			}
			overwrite(packs[0].name, func(b []byte) []byte { b[len(packMagic)+70] ^= 1; return b })
			small := items[0].Needs[0]
			if err := fetch(small); !cache.IsMissing(err) {
				t.Errorf("a flipped byte in a pack: %v", err)
			}
			overwrite(packs[0].name, func(b []byte) []byte { return b[:20] })
			if err := fetch(small); !cache.IsMissing(err) {
				t.Errorf("a pack that is cut off: %v", err)
			}
		})
	}
}
