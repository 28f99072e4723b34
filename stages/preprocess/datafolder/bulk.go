package datafolder

import "fmt"

// Extend writes the next samples, of which there may be none, one after the other: for
// arrays of many small ones.
func (r *Rows[T]) Extend(samples []T) error {
	size := 1
	for _, n := range r.shape[1:] {
		size *= n
	}
	if size == 0 || len(samples)%size != 0 {
		return fmt.Errorf("%s: %d elements are no samples of shape %v", r.name, len(samples), r.shape[1:])
	}
	for len(samples) > 0 {
		if r.done%r.perFile == r.perFile-1 || !r.open && r.done == r.shape[0]-1 || r.file == nil {
			if err := r.Append(samples[:size]); err != nil { // which begins or ends a file
				return err
			}
			samples = samples[size:]
			continue
		}
		n := min(len(samples)/size, r.perFile-1-r.done%r.perFile)
		if !r.open {
			n = min(n, r.shape[0]-1-r.done)
		}
		if err := r.file.Append(samples[:n*size]); err != nil {
			return err
		}
		r.done += n
		samples = samples[n*size:]
	}
	return nil
}
