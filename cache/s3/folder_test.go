package s3

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/s3test"
	"github.com/nbpipe/nbpipe/cache/storetest"
)

func folderConfig(t testing.TB) Config {
	t.Helper()
	return Config{
		Folder: filepath.Join(t.TempDir(), "nfs"), Prefix: "lab/nbpipe", Dir: t.TempDir(), Temp: t.TempDir(), Attempts: 2,
		Event: func(m string) { t.Log(m) },
	}
}

func TestStoreInFolder(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) cache.Store { return initTest(t, folderConfig(t)) })
}

func TestI18_FolderCanDoEverything(t *testing.T) {
	c, err := initTest(t, folderConfig(t)).Probe(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	if c.Unusable() != nil || len(c.Notes()) > 0 || !c.ConditionalReplace {
		t.Errorf("%+v: %v", c, c.Notes())
	}
}

// Of many who create, or replace what they saw, one wins.
func TestI15_FolderRaces(t *testing.T) {
	s := initTest(t, folderConfig(t))
	for name, when := range map[string]func(i info) condition{
		"create":  func(info) condition { return condition{absent: true} },
		"replace": func(i info) condition { return condition{etag: i.etag} },
	} {
		object := refsPrefix + name
		var first info
		if name == "replace" {
			var err error
			if first, err = s.put(t.Context(), object, []byte("0"), always); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 16 {
			wg.Go(func() {
				_, err := s.put(t.Context(), object, []byte{byte(i)}, when(first))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, errExists) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%s: %d have won", name, won)
		}
	}
}

// A listing has the order of the names' bytes, as that of a bucket has: what comes
// after a name depends on it.
func TestFolderListsInOrder(t *testing.T) {
	s := initTest(t, folderConfig(t))
	want := []string{"refs/a-b", "refs/a.b", "refs/a/b", "refs/a/c/d", "refs/aa", "refs/b"}
	for _, name := range want {
		if _, err := s.put(t.Context(), name, []byte("x"), always); err != nil {
			t.Fatal(err)
		}
	}
	names := func(all []info) (out []string) {
		for _, i := range all {
			out = append(out, i.name)
		}
		return out
	}
	for from := range want {
		after := ""
		if from > 0 {
			after = want[from-1]
		}
		for n := 1; n <= len(want); n++ {
			got, more, err := s.page(t.Context(), refsPrefix, after, n)
			if err != nil || !slices.Equal(names(got), want[from:min(from+n, len(want))]) {
				t.Fatalf("after %q, %d: %q, %v", after, n, names(got), err)
			}
			if more != (len(got) == n) {
				t.Errorf("after %q, %d: more is %v", after, n, more)
			}
		}
	}
	got, err := s.list(t.Context(), "refs/a/")
	if err != nil || !slices.Equal(names(got), want[2:4]) {
		t.Errorf("%q, %v", names(got), err)
	}
	if all, err := s.list(t.Context(), ""); err != nil || len(all) != len(want)+1 {
		t.Errorf("%q, %v", names(all), err)
	}
}

// I20: a folder that is not mounted is no empty one.
func TestI20_FolderAway(t *testing.T) {
	c := folderConfig(t)
	s := initTest(t, c)
	if _, err := s.put(t.Context(), "refs/a", []byte("x"), always); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(c.Folder, "lab")
	if err := errors.Join(os.Rename(root, root+".away"), os.MkdirAll(filepath.Join(root, "nbpipe"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"get":  func() error { _, _, err := s.get(t.Context(), "refs/a", 0, -1); return err }(),
		"list": func() error { _, err := s.list(t.Context(), "refs/"); return err }(),
		"put":  func() error { _, err := s.put(t.Context(), "refs/b", nil, always); return err }(),
	} {
		if err == nil || errors.Is(err, errNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestFolderNeedsAbsolutePath(t *testing.T) {
	if _, err := Init(t.Context(), Config{Folder: "nfs"}, 0); err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Error(err)
	}
}

// What a killed writer leaves is no object, and doctor finds uploads.
func TestI16_FolderUploads(t *testing.T) {
	c := folderConfig(t)
	s := initTest(t, c)
	id, err := s.objects.begin(t.Context(), "blobs/aa/x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.objects.part(t.Context(), "blobs/aa/x", id, 1, bytes.NewReader([]byte("half")), 4); err != nil {
		t.Fatal(err)
	}
	if found, _, err := s.objects.unfinished(t.Context(), ""); err != nil || len(found) != 1 || found[0].name != "blobs/aa/x" {
		t.Errorf("%v, %v", found, err)
	}
	if all, err := s.list(t.Context(), ""); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	s.abort(t.Context(), "blobs/aa/x", id)
	if found, _, err := s.objects.unfinished(t.Context(), ""); err != nil || len(found) != 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// workStores are the stores whose work areas are tested.
func workStores(t *testing.T) map[string]*Store {
	return map[string]*Store{"folder": initTest(t, folderConfig(t)), "fake": initTest(t, config(t, s3test.Fake(t)))}
}

func TestWork(t *testing.T) {
	for name, s := range workStores(t) {
		t.Run(name, func(t *testing.T) {
			w := s.Work()
			ctx := t.Context()
			if err := w.Create(ctx, "attempts/a/1", []byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := w.Create(ctx, "attempts/a/1", []byte("y")); !errors.Is(err, ErrExists) {
				t.Errorf("created twice: %v", err)
			}
			if err := w.Create(ctx, "attempts/a/1", []byte("x")); err != nil {
				t.Errorf("one's own: %v", err)
			}
			if err := w.Put(ctx, "attempts/a/2", nil); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"entries/x", "store.json", "../x"} {
				if w.Put(ctx, name, nil) == nil {
					t.Errorf("%s was written", name)
				}
			}
			if b, err := w.Get(ctx, "attempts/a/1", 10); err != nil || string(b) != "x" {
				t.Errorf("%q, %v", b, err)
			}
			if b, err := w.Get(ctx, "attempts/a/2", 10); err != nil || len(b) != 0 {
				t.Errorf("%q, %v", b, err)
			}
			if _, err := w.Get(ctx, "attempts/a/1", 0); err == nil {
				t.Error("more was read than asked for")
			}
			if _, err := w.Get(ctx, "attempts/a/3", 10); !errors.Is(err, cache.ErrNotFound) {
				t.Error(err)
			}
			got, err := w.List(ctx, "attempts/a/", "attempts/a/1")
			if err != nil || len(got) != 1 || got[0].Name != "attempts/a/2" || w.Now().Sub(got[0].Time).Abs() > 3*time.Second {
				t.Errorf("%+v, %v", got, err)
			}
			w.Delete(ctx, "attempts/a/1", "attempts/a/2", "attempts/a/3")
			if got, err := w.List(ctx, "attempts/", ""); err != nil || len(got) != 0 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestSendBlobs(t *testing.T) {
	for name, s := range workStores(t) {
		t.Run(name, func(t *testing.T) {
			from, into := openLocal(t), openLocal(t)
			var want []cache.Digest
			for i, n := range []int{10, 3 << 20} {
				o, err := from.IngestBytes(t.Context(), storetest.Bytes(uint64(2*i), n))
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, o.Digest)
			}
			for range 2 {
				if err := s.SendBlobs(t.Context(), from, want); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Fetch(t.Context(), into, want); err != nil {
				t.Fatal(err)
			}
			if err := s.SendBlobs(t.Context(), from, []cache.Digest{cache.DigestOf([]byte("nowhere"))}); !cache.IsMissing(err) {
				t.Errorf("what is not here: %v", err)
			}
		})
	}
}

// Who may only read is told so once, and is not asked for more.
func TestI12_FolderReader(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere")
	}
	c := folderConfig(t)
	s := initTest(t, c)
	chmod := func(mode fs.FileMode) {
		if err := filepath.WalkDir(c.Folder, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(p, mode)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	chmod(0o555)
	defer chmod(0o755) // for the test's folder to be removed
	if _, err := s.put(t.Context(), "refs/a", nil, always); !errors.Is(err, ErrReadOnly) {
		t.Error(err)
	}
}

// A folder tells its time when it is written to, which a machine that remembers what
// the folder can do has no other reason for.
func TestI14_FolderIsCollectedAgain(t *testing.T) {
	c := folderConfig(t)
	if _, err := Init(t.Context(), c, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := Open(t.Context(), c) // of the same Dir
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.GC(t.Context(), GCOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// Who may write to the folder need not own the lock that another one has made.
func TestFolderLockOfAnother(t *testing.T) {
	c := folderConfig(t)
	s, err := Init(t.Context(), c, 0)
	if err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(c.Folder, c.Prefix, swapLock)
	if err := os.MkdirAll(filepath.Dir(lock), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, nil, 0o444); err != nil && !errors.Is(err, os.ErrPermission) {
		t.Fatal(err)
	}
	_ = os.Chmod(lock, 0o444)
	if can, err := s.Probe(t.Context(), true); err != nil || !can.ConditionalReplace {
		t.Errorf("%+v, %v", can, err)
	}
}

// A team's folder is its group's to write to, if that of the folder around it is.
func TestFolderOfAGroup(t *testing.T) {
	for _, around := range []fs.FileMode{fs.ModeSetgid | 0o775, fs.ModeSetgid | 0o770, 0o775, 0o755} {
		t.Run(around.String(), func(t *testing.T) {
			parent := filepath.Join(t.TempDir(), "lab")
			if err := errors.Join(os.Mkdir(parent, 0o755), os.Chmod(parent, around)); err != nil {
				t.Fatal(err)
			}
			c := folderConfig(t)
			c.Folder, c.Prefix = filepath.Join(parent, "nbpipe"), ""
			if _, err := Init(t.Context(), c, 0); err != nil {
				t.Fatal(err)
			}
			want := fs.ModeDir | 0o755
			if around&fs.ModeSetgid != 0 {
				want = fs.ModeDir | around
			}
			for _, name := range []string{"", tempFolder} {
				if i, err := os.Stat(filepath.Join(c.Folder, name)); err != nil || i.Mode() != want {
					t.Errorf("%q: %v, %v", name, i.Mode(), err)
				}
			}
		})
	}
}
