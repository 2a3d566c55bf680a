//go:build !linux

package mutator

import "errors"

// Start needs Linux: memfd and /proc.
func Start(Config) (*Mutator, error) { return nil, errors.ErrUnsupported }

// Main returns: there are no children.
func Main() {}
