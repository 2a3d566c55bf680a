//go:build !linux

package aio

import (
	"errors"
	"os"
)

// Context needs Linux.
type Context struct{}

func Direct(*os.File) bool { return false }

func New() (*Context, error) { return nil, errors.ErrUnsupported }

func (*Context) Submit(*os.File, []byte, int64) error { return errors.ErrUnsupported }
func (*Context) Reap() (int, error)                   { return 0, errors.ErrUnsupported }
func (*Context) Close()                               {}
