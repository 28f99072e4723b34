package s3

import (
	"context"
	"slices"

	"github.com/nbpipe/nbpipe/cache"
)

// heal puts content there that is missing, or of which wrong bytes were seen, as
// far as a local store has it; it returns what it could not get.
func (s *Store) heal(ctx context.Context, from *cache.Local, want []cache.Digest) (left []cache.Digest, err error) {
	if want, err = s.mendPacks(ctx, from, want); err != nil {
		return want, err
	}
	builder := newPackBuilder()
	flush := func() error {
		if len(builder.blobs) == 0 {
			return nil
		}
		full := builder
		builder = newPackBuilder()
		return s.putPack(ctx, full)
	}
	for _, d := range want {
		p, f, err := from.Stored(ctx, d)
		switch {
		case cache.IsMissing(err):
			left = append(left, d)
			continue
		case err != nil:
			return left, err
		case p != nil:
			builder.add(*p)
			if builder.full() {
				err = flush()
			}
		default:
			err = s.putFile(ctx, f)
			_ = f.Close()
			if cache.IsMissing(err) { // damaged here, too
				left, err = append(left, d), nil
			}
		}
		if err != nil {
			return left, err
		}
	}
	return left, flush()
}

// mendPacks writes packs of which some blobs are wrong as they were, where a local
// store has the right ones; it returns what is still wanted. A copy in another
// pack would do for readers, but this one would be taken for as good as that.
func (s *Store) mendPacks(ctx context.Context, from *cache.Local, want []cache.Digest) ([]cache.Digest, error) {
	mended := map[cache.Digest]bool{}
	for _, pack := range s.catalogue.wrongPacks(want) {
		s.at("heal-pack")
		ok, err := s.mendPack(ctx, from, pack)
		if err != nil {
			return want, err
		}
		for _, b := range s.catalogue.contents(pack) {
			mended[b.digest] = mended[b.digest] || ok
		}
	}
	return slices.DeleteFunc(slices.Clone(want), func(d cache.Digest) bool { return mended[d] }), nil
}

// mendPack reports whether it could write a pack as its name says.
func (s *Store) mendPack(ctx context.Context, from *cache.Local, d cache.Digest) (bool, error) {
	i, err := s.head(ctx, packName(d))
	if err != nil || i.size > maxPack {
		return false, ignoreMissing(err)
	}
	object, _, err := s.get(ctx, i.name, 0, i.size)
	if err != nil {
		return false, ignoreMissing(err)
	}
	blobs := s.catalogue.contents(d)
	for _, b := range blobs {
		if p, err := b.in(object); err == nil {
			if _, err = p.Bytes(); err == nil {
				continue
			}
		}
		p, f, err := from.Stored(ctx, b.digest)
		if f != nil {
			_ = f.Close()
		}
		if err != nil && !cache.IsMissing(err) {
			return false, err
		}
		if p == nil || int64(p.Len()) != b.n || b.off+b.n > int64(len(object)) {
			return false, nil
		}
		copy(object[b.off:], p.Append(nil))
	}
	if cache.DigestOf(object) != d {
		return false, nil // in places that no blob's digest covers
	}
	if _, err := s.put(ctx, i.name, object, always); err != nil {
		return false, err
	}
	s.at("heal-pack-mended")
	s.mu.Lock()
	for _, b := range blobs {
		delete(s.bad, b.digest)
	}
	s.mu.Unlock()
	s.catalogue.trust(d)
	return true, nil
}
