//go:build !linux

package prove

// Main is for the init of a machine, which runs Linux.
func Main() {}
