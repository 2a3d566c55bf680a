//go:build !linux

package kernel

import (
	"context"
	"encoding/json"
	"errors"
)

// Run needs Linux.
func (m Machine) Run(context.Context, func(json.RawMessage) error) error {
	return errors.ErrUnsupported
}
