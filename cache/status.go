package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Status is a summary of a store.
type Status struct {
	ID           string
	Dir          string
	Created      time.Time
	ReadOnly     bool
	Entries      int
	Keys         int
	Blobs        int
	LogicalBytes int64 // uncompressed
	StoredBytes  int64 // in blobs/ and packs/
	Packs        int
	OpenPacks    int
	Refs         int
	Plans        int
	Quarantined  int
	BadBlobs     int // noted, and not stored again since
	Oldest       time.Time
	Newest       time.Time // of entries; zero without any
}

// Status counts what is in the store. Blob files are opened for their headers,
// nothing is verified.
func (l *Local) Status(ctx context.Context) (Status, error) {
	meta, err := readStoreFile(l.dir)
	if err != nil {
		return Status{}, err
	}
	s := Status{ID: l.id, Dir: l.dir, Created: meta.Created, ReadOnly: l.readOnly}
	err = l.withIndex(func(x *index) error {
		if err := l.refresh(); err != nil {
			return err
		}
		l.countPacks(l.idx, &s)
		return nil
	})
	if err != nil {
		return s, err
	}
	err = l.eachBlobFile(func(d Digest, path string, info fs.FileInfo) error {
		s.Blobs++
		s.StoredBytes += info.Size()
		if h, err := readHeader(path, info.Size()); err == nil {
			s.LogicalBytes += h.size
		}
		return ctx.Err()
	})
	refs, rerr := l.Refs()
	s.Refs = len(refs)
	s.Plans = countFiles(filepath.Join(l.dir, "plans"))
	s.Quarantined = countFiles(filepath.Join(l.dir, "quarantine"))
	return s, errors.Join(err, rerr)
}

// Size is how many bytes the content of the store in dir takes on its disk: 0 where
// there is none. It opens nothing, and may come while others use the store.
func Size(dir string) (n int64, err error) {
	for _, name := range []string{"blobs", "packs"} {
		err := filepath.WalkDir(filepath.Join(dir, name), func(_ string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				var info fs.FileInfo
				if info, err = e.Info(); err == nil {
					n += info.Size()
				}
			}
			if notExist(err) { // it was deleted meanwhile
				return nil
			}
			return err
		})
		if err != nil {
			return n, fmt.Errorf("measuring the store %s: %w", dir, err)
		}
	}
	return n, nil
}

func (l *Local) countPacks(x *index, s *Status) {
	s.Entries, s.Keys, s.Blobs = len(x.chain), len(x.heads), len(x.blobs)
	for _, p := range x.packs {
		s.Packs++
		if !p.sealed {
			s.OpenPacks++
		}
		s.StoredBytes += p.size
	}
	for _, loc := range x.blobs {
		s.LogicalBytes += int64(loc.ref().size)
	}
	for _, loc := range x.chain {
		t := timeOf(loc.ref().taken)
		if s.Oldest.IsZero() || t.Before(s.Oldest) {
			s.Oldest = t
		}
		if t.After(s.Newest) {
			s.Newest = t
		}
	}
	for d := range x.bad {
		if _, bad := l.noted(x, d); bad {
			s.BadBlobs++
		}
	}
}

func countFiles(dir string) int {
	list, _ := os.ReadDir(dir)
	return len(list)
}

func readHeader(path string, size int64) (blobHeader, error) {
	f, err := os.Open(path)
	if err != nil {
		return blobHeader{}, err
	}
	defer f.Close()
	b := make([]byte, blobHeaderSize)
	if _, err := f.ReadAt(b, 0); err != nil {
		return blobHeader{}, err
	}
	return parseBlobHeader(b, size)
}
