package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/nbpipe/nbpipe/cache"
)

// The kinds of findings that only a bucket has.
const (
	FindingUnsigned = "unsigned entry"
	FindingUpload   = "unfinished upload"
	FindingRef      = "unreadable ref"
	FindingClock    = "clock"
	FindingMarker   = "left-over marker"
)

// DoctorOptions say what Doctor may do.
type DoctorOptions struct {
	// Repair mends what can be mended: content that is lost is put back from Local,
	// which needs a writer's rights; what nobody can use is deleted, which needs a
	// collector's.
	Repair   bool
	Local    *cache.Local
	Trust    func(cache.StoredEntry) error // whom the user believes
	Progress func(done, total int)         // of entries; may be nil
}

// Doctor checks the structure of the bucket: that names are names of a store, that
// entries can be read and lead to content, that packs have an index, that trusted
// entries of one key agree. It reads entries and indexes, but not content: see Verify.
func (s *Store) Doctor(ctx context.Context, o DoctorOptions) (cache.DoctorReport, error) {
	d := &doctor{Store: s, o: o}
	if err := s.begin(ctx); err != nil {
		return d.report, err
	}
	var err error
	if d.view, err = s.survey(ctx, o.Trust, o.Progress); err != nil {
		return d.report, err
	}
	for _, check := range []func(context.Context) error{d.clock, d.entries, d.dangling, d.divergence, d.packs, d.refs, d.leftovers, d.uploads} {
		if err := check(ctx); err != nil {
			return d.report, fmt.Errorf("checking the team cache: %w", err)
		}
	}
	return d.report, nil
}

type doctor struct {
	*Store
	o      DoctorOptions
	view   *survey
	report cache.DoctorReport
}

func (d *doctor) found(f cache.Finding) { d.report.Findings = append(d.report.Findings, f) }

// drop deletes an object that nobody can use; what is denied stays, and is told.
func (d *doctor) drop(ctx context.Context, f cache.Finding, name string) error {
	if d.o.Repair {
		err := d.remove(ctx, name)
		var r minio.ErrorResponse
		switch {
		case err == nil:
			f.Repaired = true
		case errors.As(err, &r) && r.StatusCode == http.StatusForbidden:
			f.Detail += "; these credentials may not delete it"
		default:
			return err
		}
	}
	d.found(f)
	return nil
}

func (d *doctor) clock(ctx context.Context) error {
	if _, ok := d.serverSkew(); !ok {
		_, _ = d.Probe(ctx, true) // a folder's time is seen by writing to it, if one may
	}
	if skew, ok := d.serverSkew(); !ok {
		d.found(cache.Finding{Kind: FindingClock, Subject: d.Endpoint, Detail: "the server does not tell its time: garbage cannot be collected"})
	} else if skew.Abs() > maxSkew {
		d.found(cache.Finding{Kind: FindingClock, Subject: d.Endpoint, Detail: fmt.Sprintf("its clock is %s from this machine's: set the wrong one", skew.Round(time.Second))})
	}
	return nil
}

func (d *doctor) entries(ctx context.Context) error {
	for _, e := range d.view.entries {
		switch {
		case e.trouble != "":
			if err := d.drop(ctx, cache.Finding{Kind: cache.FindingBadEntry, Subject: e.name, Detail: e.trouble}, e.name); err != nil {
				return err
			}
		case e.stored.Signer == "":
			d.found(cache.Finding{Kind: FindingUnsigned, Subject: e.name, Detail: "nobody takes it; a collection deletes it", Harmless: true})
		}
	}
	return nil
}

// dangling finds entries whose content is not all there. Whoever takes one runs
// its stage again (invariant I4).
func (d *doctor) dangling(ctx context.Context) error {
	var suspects []*surveyed
	for _, e := range d.view.entries {
		if e.trouble == "" && len(d.view.lacking(e.needs)) > 0 {
			suspects = append(suspects, e)
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	// A collection may have moved content since the listing.
	if err := d.catalogue.refresh(ctx); err != nil {
		return err
	}
	for _, e := range suspects {
		lacking := d.view.lacking(e.needs)
		if len(lacking) == 0 {
			continue
		}
		if _, err := d.head(ctx, e.name); errors.Is(err, errNotFound) {
			continue
		} else if err != nil {
			return err
		}
		f := cache.Finding{
			Kind: cache.FindingDangling, Subject: e.name,
			Detail: fmt.Sprintf("%d blobs are missing, such as %s: whoever takes it runs the stage again", len(lacking), lacking[0].Short()),
		}
		if err := d.mend(ctx, e, f, lacking); err != nil {
			return err
		}
	}
	return nil
}

// mend puts lost content back, or deletes the entry that needs it.
func (d *doctor) mend(ctx context.Context, e *surveyed, f cache.Finding, lacking []cache.Digest) error {
	if !d.o.Repair || d.o.Local == nil {
		d.found(f)
		return nil
	}
	left, err := d.heal(ctx, d.o.Local, lacking)
	if err != nil && !errors.Is(err, ErrReadOnly) {
		return err
	}
	if err == nil && len(left) == 0 {
		f.Repaired, f.Detail = true, f.Detail+"; they were put back from this machine"
		d.found(f)
		return nil
	}
	return d.drop(ctx, f, e.name)
}

// divergence finds keys whose trusted entries have different outputs (invariant I11).
func (d *doctor) divergence(context.Context) error {
	byKey := map[cache.Key][]*surveyed{}
	for _, e := range d.view.entries {
		if e.trouble == "" && e.distrust == nil && e.stored.Signer != "" && e.kind != cache.TagKind {
			byKey[e.stored.Key] = append(byKey[e.stored.Key], e)
		}
	}
	var keys []cache.Key
	for k, all := range byKey {
		if slices.ContainsFunc(all, func(e *surveyed) bool { return e.outputs != all[0].outputs }) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b cache.Key) int { return slices.Compare(a[:], b[:]) })
	for _, k := range keys {
		var texts []string
		for _, side := range sides(byKey[k]) {
			texts = append(texts, side.String())
		}
		d.found(cache.Finding{Kind: cache.FindingDivergence, Subject: k.String(), Detail: strings.Join(texts, "; "), Harmless: true})
	}
	return nil
}

// sides puts entries with the same outputs together.
func sides(all []*surveyed) (out []cache.Side) {
	for _, e := range all {
		at := slices.IndexFunc(out, func(s cache.Side) bool { return s.Outputs == e.outputs })
		if at < 0 {
			at = len(out)
			out = append(out, cache.Side{Outputs: e.outputs})
		}
		out[at].Entries = append(out[at].Entries, cache.Source{Entry: e.stored.Digest, Signer: e.stored.Signer, Time: e.modified})
	}
	return out
}

func (d *doctor) packs(ctx context.Context) error {
	for _, digest := range d.view.packNames() {
		i := d.view.packs[digest]
		d.catalogue.mu.Lock()
		_, ok := d.catalogue.packs[digest]
		broken, cause := d.catalogue.broken[digest]
		d.catalogue.mu.Unlock()
		detail := "it is larger than any pack"
		switch {
		case cause:
			detail = broken.err.Error()
		case ok || i.size <= maxPack: // known, or gone since it was listed
			continue
		}
		if d.o.Repair { // somebody may have put it right meanwhile
			now, err := d.head(ctx, i.name)
			if ignoreMissing(err) != nil {
				return err
			}
			if err != nil || now.etag != i.etag || now.size != i.size {
				continue
			}
		}
		if err := d.drop(ctx, cache.Finding{Kind: cache.FindingBadPack, Subject: i.name, Detail: detail}, i.name); err != nil {
			return err
		}
	}
	for _, i := range d.view.strays {
		d.found(cache.Finding{Kind: cache.FindingStray, Subject: i.name, Detail: "nothing of a team cache has this name", Harmless: true})
	}
	return nil
}

func (v *survey) packNames() []cache.Digest {
	out := make([]cache.Digest, 0, len(v.packs))
	for d := range v.packs {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b cache.Digest) int { return slices.Compare(a[:], b[:]) })
	return out
}

func (d *doctor) refs(context.Context) error {
	for _, r := range d.view.refs {
		if _, _, err := r.keys(); err != nil {
			d.found(cache.Finding{Kind: FindingRef, Subject: refsPrefix + r.Name, Detail: err.Error() + ": no garbage is collected while it is there"})
		}
	}
	return nil
}

// leftovers finds markers of collections that died.
func (d *doctor) leftovers(ctx context.Context) error {
	running, err := d.collecting(ctx)
	if err != nil || running {
		return err
	}
	for _, i := range d.view.trash {
		if strings.HasPrefix(i.name, markerPrefix) {
			f := cache.Finding{Kind: FindingMarker, Subject: i.name, Detail: "its collection ended early; the next one goes on", Harmless: true}
			if err := d.drop(ctx, f, i.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// uploadAge is how old an unfinished upload must be for nobody to go on with it.
const uploadAge = 24 * time.Hour

// uploads finds uploads that were begun and never finished: no listing of objects
// shows them, and they cost money (invariant I16). MinIO lists none without their
// exact names, and ends them itself after a day.
func (d *doctor) uploads(ctx context.Context) error {
	marker := ""
	for {
		var found []openUpload
		next := ""
		err := d.do(ctx, "listing unfinished uploads", func(ctx context.Context) (err error) {
			found, next, err = d.objects.unfinished(ctx, marker)
			return err
		})
		if errors.Is(err, errNotFound) {
			return nil // as some servers answer where no upload was ever begun
		}
		var refused minio.ErrorResponse
		if errors.As(err, &refused) && refused.StatusCode >= 400 && refused.StatusCode < 500 {
			d.found(cache.Finding{Kind: FindingUpload, Subject: d.Bucket, Detail: "they cannot be listed with these credentials (" + refused.Code + ")", Harmless: true})
			return nil
		}
		if err != nil {
			return err
		}
		for _, u := range found {
			if age := d.serverNow().Sub(u.begun); age > uploadAge {
				if err := d.upload(ctx, u, age); err != nil {
					return err
				}
			}
		}
		if marker = next; marker == "" {
			return nil
		}
	}
}

func (d *doctor) upload(ctx context.Context, u openUpload, age time.Duration) error {
	f := cache.Finding{Kind: FindingUpload, Subject: u.name, Detail: fmt.Sprintf("begun %s ago and never finished", age.Round(time.Hour)), Harmless: true}
	if d.o.Repair {
		err := d.do(ctx, "ending the upload of "+u.name, func(ctx context.Context) error {
			return d.objects.abort(ctx, u.name, u.id)
		})
		if err != nil && !errors.Is(err, errNotFound) {
			return err
		}
		f.Repaired = true
	}
	d.found(f)
	return nil
}
