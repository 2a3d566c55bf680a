//go:build !linux

package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
)

// NewDisk needs Linux.
func NewDisk(string, int64) (*os.File, error) { return nil, errors.ErrUnsupported }

// Run needs Linux.
func (m Machine) Run(context.Context, func(json.RawMessage) error) error {
	return errors.ErrUnsupported
}

func runMortal(cmd *exec.Cmd) error { return cmd.Run() }
