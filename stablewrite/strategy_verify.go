package stablewrite

import "fmt"

// verify submits the caller's memory between two looks at it. It resubmits changed blocks
// from private memory or, if it refuses changes, returns ErrChanged.
type verify struct{ refuse bool }

func (verify) begin(s *segment) error {
	if !s.aligned { // the device would refuse it
		return s.bounce()
	}
	if err := s.arm(); err != nil {
		return err
	}
	s.submit(s.parts, s.n, s.off)
	return nil
}

func (v verify) landed(s *segment) error {
	if err := s.look(); err != nil {
		return err
	}
	good, err := s.op.n, s.op.err
	if len(s.changed) > 0 {
		good = min(good, s.changed[0].Off)
	}
	// A refusal for a guard tag proves a change, even if it was restored before the
	// second look. An I/O error is blamed on a change only if one was seen.
	refused := isIntegrity(err) || isMedia(err) && len(s.changed) > 0
	switch {
	case err != nil && !refused:
		s.fail(good, err)
	case err == nil && len(s.changed) == 0: // done
	case v.refuse && err != nil:
		s.fail(good, fmt.Errorf("%w: %w", ErrChanged, err))
	case v.refuse:
		s.fail(good, ErrChanged)
	case refused || s.whole: // nothing of a failed submission is known to have landed
		s.again = append(s.again[:0], Extent{Off: 0, Len: s.n})
	default:
		s.again = append(s.again[:0], s.changed...)
		s.join()
	}
	return nil
}

// bounce submits a private copy, which is summed while it is made. Bounce uses it and,
// on a descriptor without O_DIRECT, Buffered.
type bounce struct{}

func (bounce) begin(s *segment) error { return s.bounce() }
func (bounce) landed(*segment) error  { return nil }

// raw submits the caller's memory once. It keeps no sums: good counts the bytes that the
// device accepted.
type raw struct{}

func (raw) begin(s *segment) error {
	s.submit(s.parts, s.n, s.off)
	return nil
}

func (raw) landed(s *segment) error {
	if s.op.err != nil {
		s.good, s.err = s.op.n, s.op.err
	}
	return nil
}
