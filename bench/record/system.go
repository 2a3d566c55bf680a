package record

import (
	"fmt"
	"strings"
)

// System is where a Record comes from. What is not known is empty.
type System struct {
	CPU          string `json:"cpu"`
	CPUs         int    `json:"cpus"`
	OS           string `json:"os"`
	Arch         string `json:"arch"`
	Kernel       string `json:"kernel"`
	Go           string `json:"go"`
	FileSystem   string `json:"file_system"`   // type; "" for a block device itself
	MountOptions string `json:"mount_options"` // of the mount and of the file system
	Device       string `json:"device"`        // the block device below: "vda", or its path
	StableWrites *bool  `json:"stable_writes"` // queue/stable_writes of the device; null if not known
	// Below is what is known to need stable pages there, whatever StableWrites says:
	// protection information and mirrors, "sda: T10-DIF-TYPE1-CRC, md0: raid1".
	Below string `json:"below,omitempty"`
}

// String names s in a line.
func (s *System) String() string {
	var parts []string
	if s.Kernel != "" {
		name := s.OS
		if name == "linux" || name == "" {
			name = "Linux"
		}
		parts = append(parts, name+" "+s.Kernel)
	}
	if on := s.Place(); on != "" {
		parts = append(parts, on)
	}
	if s.CPUs > 0 {
		parts = append(parts, strings.TrimSuffix(fmt.Sprintf("%d x %s", s.CPUs, s.CPU), " x "))
	}
	if s.Go != "" {
		parts = append(parts, s.Go)
	}
	if len(parts) == 0 {
		return "A system that is not known"
	}
	return strings.Join(parts, ", ")
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
