package ring

import "errors"

// ErrFull is returned by a submission that finds as many in flight as the
// completion queue has room for. Reap one, and submit again.
var ErrFull = errors.New("ring: as many submissions are in flight as there is room for completions")
