//go:build !linux

package record

import "os"

func (s *System) describe(*os.File) {}
