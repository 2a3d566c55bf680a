//go:build !linux

package mutator

import "errors"

// Start needs Linux.
func Start(Config) (*Mutator, error) { return nil, errors.ErrUnsupported }

// Main returns at once.
func Main() {}
