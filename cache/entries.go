package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Candidate is one entry of a key, with the reason if it cannot be used.
type Candidate struct {
	Stored StoredEntry
	Entry  *Entry // nil if it is not trusted or cannot be decoded
	Reason string // "" if usable
}

// PutEntry stores an entry as it is; the caller has put its blobs before
// (invariant I2). A time that is set is kept: it is the server's, of a pulled entry.
func (l *Local) PutEntry(ctx context.Context, e StoredEntry) error {
	if err := errors.Join(ctx.Err(), l.canWrite(), e.Check()); err != nil {
		return err
	}
	if err := l.syncBlobFolders(); err != nil {
		return err
	}
	now := l.opt.Now()
	if e.Time.IsZero() {
		e.Time = now
	}
	l.at("entry-before")
	add := func() error {
		return l.withIndex(func(x *index) error {
			if x.hasEntry(e.Key, e.Signer, e.Digest) {
				return nil
			}
			r := record{kind: kindEntry, taken: now.UnixNano(), id: e.Key}
			return l.appendRecord(r, marshalEntryPayload(e))
		})
	}
	diverges, err := l.diverges(ctx, e)
	switch {
	case err != nil:
	case diverges: // from now on, a lookup may give another result
		err = l.deleting(add)
	default:
		err = add()
	}
	if err != nil {
		return fmt.Errorf("storing an entry of key %s: %w", e.Key.Short(), err)
	}
	l.at("entry-appended")
	return nil
}

// diverges reports whether there is an entry of the same key with other outputs.
func (l *Local) diverges(ctx context.Context, e StoredEntry) (bool, error) {
	others, err := l.Entries(ctx, e.Key)
	if err != nil || len(others) == 0 {
		return false, err
	}
	entry, err := e.Decode()
	if err != nil {
		return true, nil // it cannot be told
	}
	for _, o := range others {
		other, err := o.Decode()
		if err != nil || other.OutputDigest() != entry.OutputDigest() {
			return true, nil
		}
	}
	return false, nil
}

// Check refuses what could not be found again, or not as it is: every store
// calls it before it takes an entry, and after it read one.
func (e StoredEntry) Check() error {
	switch {
	case DigestOf(e.Data) != e.Digest:
		return &CorruptError{Digest: e.Digest, Detail: "the entry's bytes have another digest"}
	case len(e.Signer) > 200 || strings.ContainsAny(e.Signer, "/\\\x00\n"):
		return fmt.Errorf("%q cannot name a signer", clip(e.Signer))
	}
	return nil
}

// HasEntry reports whether the store holds this very entry.
func (l *Local) HasEntry(ctx context.Context, k Key, signer string, d Digest) (have bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = l.withIndex(func(x *index) error {
		have = x.hasEntry(k, signer, d)
		return nil
	})
	return have, err
}

// Entries returns all entries of a key, oldest first. One whose record cannot be
// read is left out, with a reason recorded (see MissReasons).
func (l *Local) Entries(ctx context.Context, k Key) ([]StoredEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	locs, err := l.entryLocs(k)
	if err != nil {
		return nil, err
	}
	var out []StoredEntry
	for _, loc := range locs {
		e, err := l.readEntry(k, loc)
		if isGone(err) {
			if err := l.withIndex(func(*index) error { return l.reload() }); err != nil {
				return nil, err
			}
			return l.entriesOnce(k)
		}
		if err != nil {
			l.entryFailed(k, loc, err)
			continue
		}
		out = append(out, e)
	}
	return out, nil
}

// entryFailed records why an entry is passed over. A damaged record is killed,
// so that the same entry can be stored again.
func (l *Local) entryFailed(k Key, loc foundEntry, cause error) {
	l.noteMiss(k, cause.Error())
	if l.readOnly || !provesDamage(cause) {
		return
	}
	// Failing to is no harm: the entry stays a miss.
	_ = l.deleting(func() error {
		err := l.withIndex(func(x *index) error {
			r := record{kind: kindForget, taken: l.opt.Now().UnixNano(), id: k}
			return l.appendRecord(r, marshalKillPayload([]target{{loc.p.id, loc.ref.off}}, "damaged"))
		})
		if err != nil {
			return err
		}
		return l.syncOwn()
	})
}

// entriesOnce is Entries after a reload: what is gone now stays gone.
func (l *Local) entriesOnce(k Key) ([]StoredEntry, error) {
	locs, err := l.entryLocs(k)
	var out []StoredEntry
	for _, loc := range locs {
		if e, err := l.readEntry(k, loc); err == nil {
			out = append(out, e)
		} else {
			l.entryFailed(k, loc, err)
		}
	}
	return out, err
}

// foundEntry is a copy of a reference, good outside the lock.
type foundEntry struct {
	p   *pack
	ref entryRef
}

func (l *Local) entryLocs(k Key) (out []foundEntry, err error) {
	err = l.withIndex(func(x *index) error {
		locs := x.of(k)
		if len(locs) == 0 {
			if err := l.refresh(); err != nil {
				return err
			}
			locs = l.idx.of(k)
		}
		for _, loc := range locs {
			out = append(out, foundEntry{loc.p, *loc.ref()})
		}
		return nil
	})
	return out, err
}

func (l *Local) readEntry(k Key, at foundEntry) (StoredEntry, error) {
	r, payload, err := at.p.read(at.ref.off, at.ref.stored)
	if err != nil {
		return StoredEntry{}, err
	}
	e, err := parseEntryPayload(payload)
	if err != nil || r.kind != kindEntry || r.id != k || e.digest != at.ref.digest || DigestOf(e.data) != e.digest {
		return StoredEntry{}, fmt.Errorf("the stored entry of key %s is damaged", k.Short())
	}
	return StoredEntry{Key: k, Signer: e.signer, Digest: e.digest, Data: e.data, Time: timeOf(e.time)}, nil
}

// Publish stores this machine's own entry, unsigned. All its objects, with the
// members of trees, must be in the store (invariant I2).
func (l *Local) Publish(ctx context.Context, e *Entry) (StoredEntry, error) {
	if err := l.canWrite(); err != nil {
		return StoredEntry{}, err
	}
	if e.Key.IsZero() || len(e.Outputs) == 0 {
		return StoredEntry{}, errors.New("an entry without key or outputs is not published")
	}
	e.Objects = sortObjects(slices.Clone(e.Objects))
	if err := l.Complete(ctx, e); err != nil {
		return StoredEntry{}, fmt.Errorf("publishing an entry of key %s: %w", e.Key.Short(), err)
	}
	data, err := e.Encode()
	if err != nil {
		return StoredEntry{}, err
	}
	s := StoredEntry{Key: e.Key, Digest: DigestOf(data), Data: data, Time: l.opt.Now()}
	return s, l.PutEntry(ctx, s)
}

// sortObjects gives objects, in place, the order that they have in an entry.
func sortObjects(all []Object) []Object {
	slices.SortFunc(all, func(a, b Object) int {
		if c := bytes.Compare(a.Digest[:], b.Digest[:]); c != 0 || a.Exec == b.Exec {
			return c
		} else if b.Exec {
			return -1
		}
		return 1
	})
	return slices.Compact(all)
}

// Complete fetches from upstream what e needs and the store lacks: an input that
// a stage hands on may never have been read here. The error is a *MissingError
// if that is not to be had.
func (l *Local) Complete(ctx context.Context, e *Entry) error {
	const passes = 2 // manifests of folders, then what they list
	var cause error
	for pass := 0; ; pass++ {
		missing, err := l.Missing(ctx, e)
		switch {
		case err != nil || len(missing) == 0:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case pass == passes || l.opt.Upstream == nil || cause != nil:
			return &MissingError{Digest: missing[0], Cause: cause}
		}
		cause = l.opt.Upstream.Fetch(ctx, l, missing)
	}
}

// Missing lists the blobs that e needs and the store does not hold: objects,
// members of trees, and the log.
func (l *Local) Missing(ctx context.Context, e *Entry) ([]Digest, error) {
	var out []Digest
	for _, o := range e.Content() {
		missing, err := l.missingOf(ctx, o)
		if err != nil {
			return nil, err
		}
		out = append(out, missing...)
	}
	return out, nil
}

func (l *Local) missingOf(ctx context.Context, o Object) ([]Digest, error) {
	have, err := l.HasBlob(ctx, o.Digest)
	if err != nil {
		return nil, err
	}
	if !have {
		return []Digest{o.Digest}, nil
	}
	if !o.Tree || l.knowsTree(o.Digest) {
		return nil, nil
	}
	members, err := l.Tree(ctx, o.Digest)
	if IsMissing(err) {
		return []Digest{o.Digest}, nil
	} else if err != nil {
		return nil, err
	}
	var out []Digest
	for _, m := range members {
		if m.Dir {
			continue
		}
		if have, err := l.HasBlob(ctx, m.Digest); err != nil {
			return nil, err
		} else if !have {
			out = append(out, m.Digest)
		}
	}
	if len(out) == 0 {
		l.learnTree(o.Digest)
	}
	return out, nil
}

// knowsTree reports whether all members of a tree were there in this process's
// lifetime, during which no collection can run; a note on a bad blob resets it.
func (l *Local) knowsTree(d Digest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.trees[d]
	return ok
}

func (l *Local) learnTree(d Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trees[d] = struct{}{}
}

// Lookup returns the best usable entry of a key, or nil on a miss. MissReasons
// tells why entries that are there were not used.
func (l *Local) Lookup(ctx context.Context, k Key) (*Entry, error) {
	all, err := l.LookupAll(ctx, k)
	if err != nil || len(all) == 0 || all[0].Reason != "" {
		return nil, err
	}
	return all[0].Entry, nil
}

// LookupAll returns all entries of a key, the best usable one first, unusable
// ones last with their reasons.
//
// This machine's own come first, the newest of them: the older one was either
// run again on purpose, or because its content was lost. Then come the own
// signer's, then others', the oldest first: the whole team agrees on it.
func (l *Local) LookupAll(ctx context.Context, k Key) ([]Candidate, error) {
	stored, err := l.Entries(ctx, k)
	if err != nil || len(stored) == 0 {
		return nil, err
	}
	out := make([]Candidate, len(stored))
	for i, s := range stored {
		out[i].Stored = s
		if out[i].Entry, out[i].Reason, err = l.judge(ctx, s); err != nil {
			return nil, err
		}
		if out[i].Reason != "" {
			l.noteMiss(k, out[i].Reason)
		}
	}
	slices.SortStableFunc(out, l.prefer)
	return out, nil
}

func (l *Local) prefer(a, b Candidate) int {
	if (a.Reason == "") != (b.Reason == "") {
		if a.Reason == "" {
			return -1
		}
		return 1
	}
	if ra, rb := l.rank(a.Stored.Signer), l.rank(b.Stored.Signer); ra != rb {
		return ra - rb
	}
	if a.Stored.Signer == "" {
		return b.Stored.Time.Compare(a.Stored.Time)
	}
	return a.Stored.Time.Compare(b.Stored.Time)
}

func (l *Local) rank(signer string) int {
	switch signer {
	case "":
		return 0
	case l.opt.OwnSigner:
		return 1
	default:
		return 2
	}
}

// distrust says why a signed entry is not trusted, if so; this machine's own always is.
func (l *Local) distrust(s StoredEntry) string {
	if s.Signer == "" {
		return ""
	}
	if l.opt.Trust == nil {
		return "signed by " + s.Signer + ", and no signer is trusted"
	}
	if err := l.opt.Trust(s); err != nil {
		return err.Error()
	}
	return ""
}

// judge decodes an entry and says why it cannot be used, if so.
func (l *Local) judge(ctx context.Context, s StoredEntry) (*Entry, string, error) {
	if reason := l.distrust(s); reason != "" {
		return nil, reason, nil
	}
	e, err := s.Decode()
	if err != nil {
		return nil, err.Error(), nil
	}
	for _, o := range e.Objects {
		reason, err := l.objectTrouble(ctx, o, s.Signer == "")
		if err != nil || reason != "" {
			return e, reason, err
		}
	}
	return e, "", nil
}

// objectTrouble says what is wrong with an object of an entry. The content of a
// pulled entry may be elsewhere still; this machine's own was here once, so it
// must be (of a tree, its manifest; a lost member shows when it is restored).
func (l *Local) objectTrouble(ctx context.Context, o Object, own bool) (string, error) {
	if own {
		if have, err := l.HasBlob(ctx, o.Digest); err != nil {
			return "", err
		} else if !have {
			return (&MissingError{Digest: o.Digest}).Error(), nil
		}
	}
	var notes bool
	if err := l.withIndex(func(x *index) error { notes = len(x.bad) > 0; return nil }); err != nil || !notes {
		return "", err
	}
	digests := []Digest{o.Digest}
	if o.Tree {
		members, err := l.Tree(ctx, o.Digest)
		if err != nil && !IsMissing(err) {
			return "", err
		}
		for _, m := range members {
			if !m.Dir {
				digests = append(digests, m.Digest)
			}
		}
	}
	var reason string
	err := l.withIndex(func(x *index) error {
		for _, d := range digests {
			if k, bad := l.noted(x, d); bad {
				reason = fmt.Sprintf("blob %s is known to be bad: %s", d.Short(), k.reason)
				return nil
			}
		}
		return nil
	})
	return reason, err
}

// noteMiss records why an entry was not used.
func (l *Local) noteMiss(k Key, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.reasons[k], reason) {
		l.reasons[k] = append(l.reasons[k], reason)
	}
}

// MissReasons tells why entries of a key that are in the store were not used by
// lookups of this process.
func (l *Local) MissReasons(k Key) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.reasons[k])
}
