package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Finding is one thing that Doctor noticed.
type Finding struct {
	Kind     string // one of the Finding constants
	Subject  string // a key, digest or file
	Detail   string
	Harmless bool // left by a crash, say; costs space at most
	Repaired bool
}

// The kinds of findings.
const (
	FindingDangling   = "dangling entry"
	FindingBadEntry   = "unreadable entry"
	FindingTemp       = "left-over temporary file"
	FindingBadPack    = "bad pack"
	FindingOpenPack   = "left-over open pack"
	FindingDivergence = "divergence"
	FindingMode       = "wrong mode"
	FindingBadBlob    = "bad blob"
	FindingStray      = "stray file"
)

// DoctorReport lists what Doctor noticed.
type DoctorReport struct{ Findings []Finding }

// Problems lists the findings that are neither harmless nor repaired.
func (r DoctorReport) Problems() []Finding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Harmless || f.Repaired })
}

type doctor struct {
	l      *Local
	repair bool
	report DoctorReport
}

func (d *doctor) found(f Finding) { d.report.Findings = append(d.report.Findings, f) }

// Doctor checks the structure of the store: names, modes, packs, and that entries
// lead to content. It reads packs, but not blob files (see Verify). With repair
// it mends what it can without losing anything that is usable.
func (l *Local) Doctor(ctx context.Context, repair bool) (DoctorReport, error) {
	if repair && l.readOnly {
		return DoctorReport{}, ErrReadOnly
	}
	d := &doctor{l: l, repair: repair}
	for _, check := range []func(context.Context) error{d.packs, d.blobFiles, d.temps, d.entries} {
		if err := check(ctx); err != nil {
			return d.report, fmt.Errorf("checking the store: %w", err)
		}
	}
	return d.report, nil
}

func (d *doctor) packs(ctx context.Context) error {
	var all []*pack
	err := d.l.withIndex(func(*index) error {
		// The packs are read anew: what is in memory may be better than the disk.
		if err := d.l.reload(); err != nil {
			return err
		}
		for name, err := range d.l.idx.broken {
			d.brokenPack(name, err)
		}
		for _, p := range d.l.idx.packs {
			if p.sealed {
				all = append(all, p)
			} else if d.l.own == nil || p != d.l.own.p {
				d.openPack(p)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var bad []*pack
	for _, p := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if detail := packTrouble(p); detail != "" {
			bad = append(bad, p)
			d.found(Finding{Kind: FindingBadPack, Subject: p.name, Detail: detail})
		}
		d.mode(p.path, "packs/"+p.name)
	}
	return d.repairPacks(bad)
}

func (d *doctor) brokenPack(name string, cause error) {
	f := Finding{Kind: FindingBadPack, Subject: name, Detail: cause.Error()}
	if d.repair {
		f.Repaired = os.Rename(filepath.Join(packsDir(d.l.dir), name), filepath.Join(d.l.dir, "quarantine", name)) == nil
	}
	d.found(f)
}

// openPack reports a pack whose writer is dead; listing has adopted it unless
// that failed or the store is read-only.
func (d *doctor) openPack(p *pack) {
	f, err := p.open()
	if err != nil || flock(f, true, false) != nil {
		return
	}
	_ = funlock(f)
	d.found(Finding{Kind: FindingOpenPack, Subject: p.name, Detail: "its writer ended without sealing it", Harmless: true})
}

// packTrouble reads a whole sealed pack.
func packTrouble(p *pack) string {
	if p.footerBad {
		return fmt.Sprintf("its index is damaged; %d entries and %d blobs were found without it", len(p.entries), len(p.blobs))
	}
	f, err := p.open()
	if err != nil {
		return err.Error()
	}
	got, _, err := hashReader(context.Background(), io.NewSectionReader(f, 0, p.size))
	switch {
	case err != nil:
		return err.Error()
	case got.String()+sealedSuffix != p.name:
		return "its bytes are not those it is named after"
	}
	return ""
}

// repairPacks writes the records that are whole into new packs. That needs the
// store for itself; if another process has it open, the findings stay.
func (d *doctor) repairPacks(bad []*pack) error {
	l := d.l
	if len(bad) == 0 || !d.repair {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := flock(l.lock, true, false); err != nil {
		// A failed change of mode may have given up the shared lock.
		return flock(l.lock, false, true)
	}
	_, err := l.rewrite(bad, func(*pack, int64) bool { return true }, nil)
	if err == nil {
		for i := range d.report.Findings {
			f := &d.report.Findings[i]
			f.Repaired = f.Repaired || slices.ContainsFunc(bad, func(p *pack) bool { return p.name == f.Subject })
		}
	}
	return errors.Join(err, flock(l.lock, false, true))
}

// mode reports files that could be written by accident.
func (d *doctor) mode(path, name string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Perm() == 0o444 {
		return
	}
	f := Finding{Kind: FindingMode, Subject: name, Detail: fmt.Sprintf("mode %v instead of %v", info.Mode().Perm(), fs.FileMode(0o444)), Harmless: true}
	if d.repair {
		f.Repaired = os.Chmod(path, 0o444) == nil
	}
	d.found(f)
}

func (d *doctor) blobFiles(ctx context.Context) error {
	root := filepath.Join(d.l.dir, "blobs")
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		name := strings.TrimPrefix(path, d.l.dir+string(filepath.Separator))
		digest, err := ParseDigest(e.Name())
		if err != nil || d.l.blobPath(digest) != path {
			d.found(Finding{Kind: FindingStray, Subject: name, Detail: "no blob has this name", Harmless: true})
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		if _, err := readHeader(path, info.Size()); err != nil {
			f := Finding{Kind: FindingBadBlob, Subject: digest.String(), Detail: err.Error()}
			if d.repair {
				f.Repaired = d.l.MarkBad(ctx, digest, err.Error()) == nil
			}
			d.found(f)
			return nil
		}
		d.mode(path, name)
		return nil
	})
}

const tempAge = time.Minute

// temps finds temporary files that nobody is writing: their locks are free.
func (d *doctor) temps(ctx context.Context) error {
	dir := filepath.Join(d.l.dir, "tmp")
	list, err := os.ReadDir(dir)
	if err != nil && !notExist(err) {
		return err
	}
	for _, e := range list {
		path := filepath.Join(dir, e.Name())
		// One that was made just now may not have its lock yet.
		info, err := e.Info()
		if err != nil || d.l.opt.Now().Sub(info.ModTime()) < tempAge {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if flock(f, true, false) == nil {
			found := Finding{Kind: FindingTemp, Subject: "tmp/" + e.Name(), Detail: "its writer ended", Harmless: true}
			if d.repair {
				found.Repaired = os.Remove(path) == nil
			}
			d.found(found)
		}
		_ = f.Close()
	}
	return ctx.Err()
}

func (d *doctor) entries(ctx context.Context) error {
	var keys []Key
	if err := d.l.withIndex(func(x *index) error {
		for k := range x.heads {
			keys = append(keys, k)
		}
		return nil
	}); err != nil {
		return err
	}
	slices.SortFunc(keys, func(a, b Key) int { return slices.Compare(a[:], b[:]) })
	for _, k := range keys {
		if err := d.key(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

func (d *doctor) key(ctx context.Context, k Key) error {
	locs, err := d.l.entryLocs(k)
	if err != nil {
		return err
	}
	var evidence []Candidate
	distrusted := 0
	for _, loc := range locs {
		stored, err := d.l.readEntry(k, loc)
		var e *Entry
		if err == nil {
			e, err = stored.Decode()
		}
		if err != nil {
			d.found(Finding{Kind: FindingBadEntry, Subject: k.String(), Detail: err.Error(), Repaired: d.dropEntry(loc)})
			continue
		}
		if d.l.distrust(stored) != "" {
			distrusted++
		} else {
			evidence = append(evidence, Candidate{Stored: stored, Entry: e})
		}
		if err := d.dangling(ctx, k, loc, e); err != nil {
			return err
		}
	}
	if sides := Divergence(evidence); len(sides) > 0 {
		d.found(Finding{Kind: FindingDivergence, Subject: k.String(), Detail: divergenceText(sides, len(evidence), distrusted), Harmless: true})
	}
	return nil
}

func divergenceText(sides []Side, entries, distrusted int) string {
	text := fmt.Sprintf("%d entries have %d different outputs", entries, len(sides))
	for i, s := range sides {
		text += []string{": ", "; "}[min(i, 1)] + s.String()
	}
	if distrusted > 0 {
		text += fmt.Sprintf("; left out as no evidence: %d that nobody signed whom you trust", distrusted)
	}
	return text
}

// dangling reports this machine's own entries whose content is not all here. A
// pulled entry's content may be in the remote store still.
func (d *doctor) dangling(ctx context.Context, k Key, loc foundEntry, e *Entry) error {
	missing, err := d.l.Missing(ctx, e)
	if err != nil || len(missing) == 0 || loc.ref.signer != "" {
		return err
	}
	known := true // each has a note, so that lookups pass the entry over already
	if err := d.l.withIndex(func(x *index) error {
		for _, m := range missing {
			_, noted := d.l.noted(x, m)
			known = known && noted
		}
		return nil
	}); err != nil {
		return err
	}
	d.found(Finding{
		Kind: FindingDangling, Subject: k.String(), Repaired: d.dropEntry(loc), Harmless: known,
		Detail: fmt.Sprintf("%d blobs are missing, such as %s: the stage will run again", len(missing), missing[0].Short()),
	})
	return nil
}

func (d *doctor) dropEntry(loc foundEntry) bool {
	if !d.repair {
		return false
	}
	l := d.l
	return l.deleting(func() error {
		if err := l.withIndex(func(x *index) error {
			r := record{kind: kindForget, taken: l.opt.Now().UnixNano(), id: loc.ref.key}
			return l.appendRecord(r, marshalKillPayload(x.sameEntry(loc.ref), "repaired"))
		}); err != nil {
			return err
		}
		return l.syncOwn()
	}) == nil
}
