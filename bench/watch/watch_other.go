//go:build !linux || !amd64

package watch

import (
	"errors"
	"fmt"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// errPlatform is why nothing is watched here.
var errPlatform = fmt.Errorf("watching needs Linux on amd64: %w", errors.ErrUnsupported)

// Watcher watches writes until Stop.
type Watcher struct{}

// Start begins to watch. What stands against it is the error, with what to do
// about it.
func Start(o Options) (*Watcher, error) { return nil, errors.Join(o.Validate(), errPlatform) }

// Records returns what was seen so far.
func (w *Watcher) Records() ([]record.Watch, error) { return nil, errPlatform }

// Stop returns what was seen.
func (w *Watcher) Stop() ([]record.Watch, error) { return nil, errPlatform }

// Close detaches everything.
func (w *Watcher) Close() error { return errPlatform }

// HowWritten says how a write is made.
func HowWritten(func(p []byte) error) (stablewrite.Directness, error) {
	return stablewrite.DirectUnknown, errPlatform
}
