package record

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// System describes the machine and the target of a Record. What is not known is empty.
type System struct {
	CPU          string `json:"cpu"`
	CPUs         int    `json:"cpus"`
	OS           string `json:"os"`
	Arch         string `json:"arch"`
	Kernel       string `json:"kernel"`
	Go           string `json:"go"`
	FileSystem   string `json:"file_system"`   // type; "" for a block device
	MountOptions string `json:"mount_options"` // of the mount and of the file system
	Device       string `json:"device"`        // the block device below: "vda", or its path
	StableWrites *bool  `json:"stable_writes"` // queue/stable_writes of the device; null if not known
	// Below lists the devices below that are known to need stable pages, whatever
	// StableWrites says: "sda: T10-DIF-TYPE1-CRC, md0: raid1".
	Below string `json:"below,omitempty"`
}

// SystemOf describes this machine, and on Linux the file system and device below f: a file,
// a directory or a block device, or nil.
func SystemOf(f *os.File) *System {
	s := &System{CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
	info, _ := os.ReadFile("/proc/cpuinfo")
	if m := cpuModel.FindSubmatch(info); m != nil {
		s.CPU = string(m[1])
	}
	s.describe(f)
	return s
}

var cpuModel = regexp.MustCompile(`(?m)^model name\s*:\s*(.*\S)`)

// String describes s in a line.
func (s *System) String() string {
	kernel, cpus := "", ""
	if s.Kernel != "" {
		kernel = strings.Replace(cmp.Or(s.OS, "linux"), "linux", "Linux", 1) + " " + s.Kernel
	}
	if s.CPUs > 0 {
		cpus = strings.TrimSuffix(fmt.Sprintf("%d x %s", s.CPUs, s.CPU), " x ")
	}
	parts := []string{kernel, s.Place(), cpus, s.Go}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return cmp.Or(strings.Join(parts, ", "), "Unknown system")
}

// Place is the file system and the device of s; "" if it has neither.
func (s *System) Place() string {
	switch {
	case s.FileSystem == "":
		return s.Device
	case s.Device == "":
		return s.FileSystem
	}
	return s.FileSystem + " on " + s.Device
}
