//go:build !linux

package record

import (
	"os"
	"runtime"
)

// SystemOf describes this machine.
func SystemOf(*os.File) *System {
	return &System{CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
}
