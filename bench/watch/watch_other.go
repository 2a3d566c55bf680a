//go:build !linux || !amd64

package watch

import (
	"errors"
	"fmt"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

var errPlatform = fmt.Errorf("watching needs Linux on amd64: %w", errors.ErrUnsupported)

// Watcher watches writes until Stop.
type Watcher struct{}

// Start begins to watch.
func Start(o Options) (*Watcher, error) { return nil, errors.Join(o.Validate(), errPlatform) }

// Records returns nothing: there is no Watcher but nil.
func (w *Watcher) Records() ([]record.Watch, error) { return nil, nil }

// Stop returns the results.
func (w *Watcher) Stop() ([]record.Watch, error) { return nil, errPlatform }

// Close ends the watch.
func (w *Watcher) Close() error { return errPlatform }

// HowWritten says how a write is made.
func HowWritten(func(p []byte) error) (stablewrite.Directness, error) {
	return stablewrite.DirectUnknown, errPlatform
}
