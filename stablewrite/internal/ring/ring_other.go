//go:build !linux

package ring

import (
	"errors"
	"fmt"
)

// Ring exists on Linux only.
type Ring struct{}

// New returns an error that wraps errors.ErrUnsupported.
func New(int) (*Ring, error) {
	return nil, fmt.Errorf("ring: io_uring: %w", errors.ErrUnsupported)
}
