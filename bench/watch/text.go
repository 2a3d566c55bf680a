package watch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Outcome is the result of a run.
type Outcome int

const (
	Clean        Outcome = iota // there were direct writes, none was missed, and none changed
	Changed                     // a direct write changed in flight
	Inconclusive                // neither
)

// isDirect reports whether r has direct writes.
func isDirect(r record.Watch) bool { return r.Direct == stablewrite.DirectYes }

// changedDirect returns the Records of programs that changed direct writes.
func changedDirect(all []record.Watch) []record.Watch {
	return slices.DeleteFunc(slices.Clone(all), func(r record.Watch) bool { return !isDirect(r) || r.Changed == 0 })
}

// Judge returns the Outcome of the Records of one run, and the reason.
func Judge(all []record.Watch) (Outcome, string) {
	var n, changed int64
	var run record.Watch
	for _, r := range all {
		run = r
		if isDirect(r) {
			n += r.Writes
			changed += r.Changed
		}
	}
	looked := "direct writes"
	if run.Sample > 1 {
		looked = fmt.Sprintf("direct writes (1 of %d was looked at)", run.Sample)
	}
	switch {
	case changed > 0:
		return Changed, fmt.Sprintf("%d of %d %s changed in flight.", changed, n, looked)
	case n == 0 && run.Writes == 0 && run.Comm != "":
		return Inconclusive, fmt.Sprintf("Inconclusive: no program named %s wrote directly. Is one running under that name, as ps -e shows it?", record.Printable(run.Comm))
	case run.Bios == 0:
		return Inconclusive, "Inconclusive: no write came to a block device. Writes to NFS, FUSE and tmpfs never do, and buffered writes do so later, or at a sync."
	case n == 0:
		return Inconclusive, fmt.Sprintf("Inconclusive: no direct write was looked at, as under run, or where the kernel writes through the page cache. All programs together made %d writes to block devices.", run.Bios)
	case n <= 3:
		return Inconclusive, fmt.Sprintf("Inconclusive: 0 of %d %s were seen to change, which are too few to tell. Watch for longer.", n, looked)
	case run.Untraced > 0:
		return Inconclusive, fmt.Sprintf("Inconclusive: 0 of %d %s were seen to change, but %d more were missed. Look at fewer: --sample, --max-blocks, --dev.", n, looked, run.Untraced)
	case run.Unnamed > 0:
		return Inconclusive, fmt.Sprintf("Inconclusive: 0 of %d %s were seen to change, but threads of the kernel queued %d more, as under I/O throttling, and their program is not known. Watch all programs instead.", n, looked, run.Unnamed)
	}
	return Clean, fmt.Sprintf("0 of %d %s were seen to change after queueing: fewer than %s %% do (95 %% confidence).", n, looked, percent(3/float64(n)))
}

// Program names the program of r, fit for a terminal.
func Program(r record.Watch) string {
	switch {
	case r.PID != 0:
		return fmt.Sprintf("%s (%d)", record.Printable(r.Comm), r.PID)
	case r.Cgroup != "":
		return "kernel, for " + record.Printable(r.Cgroup)
	case r.Device == "":
		return "others"
	}
	return "kernel"
}

// Share returns n as a share of all, in percent.
func Share(n, all int64) string {
	if n == 0 {
		return "0"
	}
	return percent(float64(n)/float64(all)) + " %"
}

// percent returns a share in percent, with two significant digits.
func percent(share float64) string {
	short, _ := strconv.ParseFloat(strconv.FormatFloat(100*share, 'e', 1, 64), 64)
	return strconv.FormatFloat(short, 'f', -1, 64)
}

// Line reports the first change of a direct write by a program.
func Line(r record.Watch) string {
	line := fmt.Sprintf("%s changes pages in flight to %s", Program(r), record.Printable(r.Device))
	if r.File != "" {
		line += ", " + record.Printable(r.File)
	}
	if e := r.Example; e != nil {
		line += fmt.Sprintf(": block %d of a write of %d bytes, within %s", e.Block, e.Bytes, duration(e.InFlightNS))
	}
	return line
}

func duration(ns int64) string {
	d := time.Duration(ns)
	return d.Round(max(d/1000, 1)).String()
}

// Finding describes a program that changed direct writes.
type Finding struct {
	Program string
	Said    []string // the file, an example, which layer below needs stable pages, the program's switch
}

// Findings describe the programs that changed direct writes. Processes with one name
// that wrote to one file are one Finding.
func Findings(all []record.Watch) (found []Finding) {
	type key struct{ comm, device, file string }
	processes := map[key]int{}
	var first []record.Watch // of each key
	for _, r := range changedDirect(all) {
		k := key{r.Comm, r.Device, r.File}
		if processes[k]++; processes[k] == 1 {
			first = append(first, r)
		}
	}
	for _, r := range first {
		f := Finding{Program: Program(r), Said: about(r)}
		if n := processes[key{r.Comm, r.Device, r.File}] - 1; n > 0 {
			f.Program += fmt.Sprintf(" and %d more", n)
		}
		found = append(found, f)
	}
	return found
}

// about says what r changed, which layer below needs stable pages, and which switch the
// program has.
func about(r record.Watch) (said []string) {
	if r.File != "" {
		said = append(said, "file: "+record.Printable(r.File))
	}
	if e := r.Example; e != nil {
		more := ""
		if e.Blocks > 1 {
			more = fmt.Sprintf(" and %d more", e.Blocks-1)
		}
		said = append(said, fmt.Sprintf("example: sector %d of %s, %d bytes, block %d%s, within %s",
			e.Sector, record.Printable(r.Device), e.Bytes, e.Block, more, duration(e.InFlightNS)))
		if len(e.Stack) > 0 {
			said = append(said, "submitted by: "+record.Printable(strings.Join(e.Stack, " < ")))
		}
	}
	return append(said, "below: "+BelowOf(r).String(), "its own switch: "+switchOf(r.Comm))
}

// switches are settings of programs that change pages in flight, by the prefix of the
// program's name.
var switches = []struct{ program, how string }{
	{"qemu", "cache=writeback (or writethrough) for its drives, without aio=native"},
	{"kvm", "cache=writeback (or writethrough) for its drives, without aio=native"},
	{"CPU ", "of QEMU, cache=writeback (or writethrough) for its drives, without aio=native"},
	{"mariadb", "innodb_log_file_buffering=ON, which SET GLOBAL does at run time"},
	{"mysqld", "innodb_flush_method=fsync"},
	{"postgres", "debug_io_direct=''; for its data files, not the log, data checksums do as well (pg_checksums --enable)"},
}

func switchOf(comm string) string {
	for _, s := range switches {
		if strings.HasPrefix(comm, s.program) {
			return s.how
		}
	}
	return "for buffered I/O, if it has one: see its manual"
}

// Coverage says how many writes a run looked at and missed.
func Coverage(all []record.Watch) string {
	if len(all) == 0 {
		return ""
	}
	run := all[0]
	var writes, truncated int64
	for _, r := range all {
		writes += r.Writes
		truncated += r.Truncated
	}
	said := fmt.Sprintf("Looked at in %s: %d writes", time.Duration(run.Seconds*1e9).Round(100*time.Millisecond), writes)
	if run.Sample > 1 {
		said += fmt.Sprintf(", 1 of %d by chance", run.Sample)
	}
	if truncated > 0 {
		said += fmt.Sprintf(", %d of them in part (%d blocks of each)", truncated, run.MaxBlocks)
	}
	said += fmt.Sprintf("; missed: %d", run.Untraced)
	if run.Unnamed > 0 {
		said += fmt.Sprintf("; queued by threads of the kernel for programs that are not known: %d", run.Unnamed)
	}
	return said + ". A change that is restored before the write completes is not seen."
}
