package watch

import (
	"slices"
	"strings"

	"stablepages/bench/record"
)

// Advice lists, best first, what to do about the programs that changed direct writes.
func Advice(all []record.Watch) []string {
	var below []Below
	for _, r := range changedDirect(all) {
		below = append(below, BelowOf(r))
	}
	return Remedies(below...)
}

// Remedies lists, best first, what to do about a program that changes buffers in flight
// and writes there. If no layer needs stable pages, because none does or because
// one above it copies, only a copy that is made before the program goes on helps.
func Remedies(below ...Below) []string {
	var layers, kernels []string
	for _, b := range below {
		if _, needing := b.met(); len(needing) > 0 {
			layers, kernels = append(layers, needing...), append(kernels, newerKernel(b.Layers[0].Name, needing))
		}
	}
	all := []string{"The program's own switch for buffered I/O: cache=writeback without aio=native (QEMU), innodb_log_file_buffering=ON (MariaDB), debug_io_direct='' (PostgreSQL)."}
	if len(layers) > 0 {
		slices.Sort(layers)
		all = append(all, "A layer that copies, above "+strings.Join(slices.Compact(layers), " and ")+": qemu-nbd over a socket, or a loop device without direct I/O.")
	}
	slices.Sort(kernels)
	return slices.Concat(all, []string{"stablewrite run -- COMMAND, which opens the program's files without O_DIRECT."}, slices.Compact(kernels), []string{
		"In a Go program the library (go doc stablepages/stablewrite): strategy bounce, or verify where memory is scarce and changes are rare and never restored.",
	})
}

// newerKernel says which kernels copy a direct write, by the highest layer and those that
// need stable pages.
func newerKernel(top string, needing []string) string {
	isBtrfs := func(layer string) bool { return strings.HasPrefix(layer, "btrfs") }
	asks := func(layer string) bool {
		return layer == "T10 PI" || layer == Asking || strings.HasPrefix(layer, "dm integrity")
	}
	switch {
	case slices.ContainsFunc(needing, isBtrfs):
		return "A kernel that copies: Linux 6.15 and later for files with data checksums, 7.0 and later for mirrored data too, through the page cache; 7.3 and later by bouncing."
	case top == "xfs" && slices.ContainsFunc(needing, asks):
		return "A kernel that copies: Linux 7.0 and later, on dm-integrity 7.3 and later, by bouncing."
	}
	return "A kernel that copies: none up to Linux 7.3 does on this stack. Linux 7.3 bounces on btrfs what needs stable pages, and on xfs on a device that says it needs them."
}
