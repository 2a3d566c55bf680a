package watch

import (
	"slices"
	"strings"

	"stablepages/bench/record"
)

// Advice lists, best first, what to do about the programs that changed direct writes.
func Advice(all []record.Watch) []string {
	var kernels []string
	for _, r := range changedDirect(all) {
		fs, needs := "", false
		for _, l := range r.Layers {
			if l.Device == "" {
				fs = l.Name
			}
			needs = needs || l.Name == "T10 PI" || strings.HasPrefix(l.Name, "dm integrity")
		}
		if k := Kernel(fs, needs); !slices.Contains(kernels, k) {
			kernels = append(kernels, k)
		}
	}
	return Remedies(kernels...)
}

// Remedies lists, best first, what to do about a program that changes buffers in flight,
// with what Kernel says of each stack that the program writes to.
func Remedies(kernels ...string) []string {
	return slices.Concat([]string{
		"The program's own switch for buffered I/O: cache=writeback (QEMU), innodb_log_file_buffering=ON (MariaDB), debug_io_direct='' (PostgreSQL).",
		"A layer that copies: qemu-nbd over a socket, or a loop device without direct I/O.",
		"stablewrite run -- COMMAND, which opens the program's files without O_DIRECT.",
	}, kernels, []string{
		"In a Go program the library (go doc stablepages/stablewrite): strategy bounce, or verify where memory is scarce and changes are rare and never restored.",
	})
}

// Kernel says which kernels copy a direct write, on a file system ("" for a block device)
// whose device needs stable pages or does not.
func Kernel(fileSystem string, deviceNeeds bool) string {
	switch {
	case fileSystem == "btrfs":
		return "A kernel that copies: for files with data checksums Linux 6.15 and later, through the page cache, and 7.3 and later, by bouncing."
	case fileSystem == "xfs" && deviceNeeds:
		return "A kernel that copies: Linux 7.0 and later, on dm-integrity 7.3 and later, by bouncing."
	}
	return "A kernel that copies: none up to Linux 7.3 does on this stack. Linux 7.3 bounces on btrfs with data checksums, and on xfs on a device that says it needs stable pages."
}
