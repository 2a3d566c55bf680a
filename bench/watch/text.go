package watch

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// Outcome is what Records of one run come to.
type Outcome int

const (
	Clean        Outcome = iota // direct writes were looked at, all that were to be, and none was seen to change
	Changed                     // a direct write changed in flight
	Inconclusive                // neither
)

// Judge judges the Records of one run and says why.
func Judge(all []record.Watch) (Outcome, string) {
	var n, changed int64
	for _, r := range all {
		if r.Direct == stablewrite.DirectYes {
			n += r.Writes
			changed += r.Changed
		}
	}
	run := record.Watch{}
	if len(all) > 0 {
		run = all[0]
	}
	looked := "direct writes"
	if run.Sample > 1 {
		looked = fmt.Sprintf("direct writes (1 of %d was looked at)", run.Sample)
	}
	switch {
	case changed > 0:
		return Changed, fmt.Sprintf("%d of %d %s changed in flight.", changed, n, looked)
	case run.Bios == 0:
		return Inconclusive, "Inconclusive: no write came to a block device. NFS, FUSE and tmpfs have none, and buffered writes come later, or at a sync."
	case n == 0:
		return Inconclusive, fmt.Sprintf("Inconclusive: no direct write was looked at. Of all programs %d writes came to block devices.", run.Bios)
	case run.Untraced > 0:
		return Inconclusive, fmt.Sprintf("Inconclusive: 0 of %d %s were seen to change, but %d more were missed. Look at fewer: --sample, --max-blocks, --dev.", n, looked, run.Untraced)
	case run.Unnamed > 0:
		return Inconclusive, fmt.Sprintf("Inconclusive: 0 of %d %s were seen to change, but threads of the kernel queued %d more, as under I/O throttling, whose program is not known. Watch all programs instead.", n, looked, run.Unnamed)
	}
	return Clean, fmt.Sprintf("0 of %d %s were seen to change after they were queued: with 95 %% confidence fewer than %.2g %% do.", n, looked, min(300/float64(n), 100))
}

// Text says what was seen, in lines of which the last has no end: the verdict, a
// table of at most so many rows, and for each program that changed a direct write
// where, what of that below minds, and what can be done. all is of one run.
func Text(all []record.Watch, rows int) string {
	outcome, verdict := Judge(all)
	var b strings.Builder
	fmt.Fprintln(&b, verdict)
	if table := Table(all, rows); table != "" {
		fmt.Fprintf(&b, "\n%s", table)
	}
	for _, r := range all {
		if r.Direct == stablewrite.DirectYes && r.Changed > 0 {
			fmt.Fprintf(&b, "\n%s", about(r))
		}
	}
	if outcome == Changed {
		fmt.Fprintf(&b, "\n%s", advice)
	}
	if notes := notes(all); notes != "" {
		fmt.Fprintf(&b, "\n%s", notes)
	}
	return strings.TrimRight(b.String(), "\n")
}

// Table is a table of what was seen, of at most so many rows.
func Table(all []record.Watch, rows int) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	shown := 0
	for _, r := range all {
		if r.Writes == 0 {
			continue
		}
		if shown == 0 {
			fmt.Fprintln(t, "writes\tchanged\tshare\tblocks\tchanged\t  program")
		}
		if shown++; shown > rows {
			continue
		}
		fmt.Fprintf(t, "%d\t%d\t%s\t%d\t%d\t  %s, %s, %s\n", r.Writes, r.Changed, share(r.Changed, r.Writes), r.Blocks, r.BlocksChanged, Program(r), r.Memory, record.Printable(r.Device))
	}
	t.Flush()
	if shown > rows {
		fmt.Fprintf(&b, "and %d more\n", shown-rows)
	}
	return b.String()
}

// Program names whose writes r are, fit for a terminal.
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

func share(n, of int64) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%.2g %%", 100*float64(n)/float64(of))
}

// Line says of a program that it was first seen to change a direct write.
func Line(r record.Watch) string {
	line := fmt.Sprintf("%s changes what it writes to %s", Program(r), record.Printable(r.Device))
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

// about says of a program where it changed direct writes, what minds, and which
// switch it has.
func about(r record.Watch) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", Program(r))
	if r.File != "" {
		fmt.Fprintf(&b, "  file: %s\n", record.Printable(r.File))
	}
	if e := r.Example; e != nil {
		fmt.Fprintf(&b, "  example: sector %d of %s, %d bytes, block %d", e.Sector, record.Printable(r.Device), e.Bytes, e.Block)
		if e.Blocks > 1 {
			fmt.Fprintf(&b, " and %d more", e.Blocks-1)
		}
		fmt.Fprintf(&b, ", within %s\n", duration(e.InFlightNS))
		for i, line := range e.Stack {
			if i == 0 {
				fmt.Fprintln(&b, "  submitted by:")
			}
			fmt.Fprintf(&b, "    %s\n", record.Printable(line))
		}
	}
	fmt.Fprintf(&b, "  below: %s\n", Below(r.Layers))
	fmt.Fprintf(&b, "  its own switch: %s\n", switchOf(r.Comm))
	return b.String()
}

// effects say which layers mind that a write changes, and how it shows; and which
// copy first, so that nothing below them sees a change.
var effects = map[string]struct {
	how    string
	copies bool
}{
	"btrfs":          {"btrfs minds, if the file has data checksums: they do not match, and reads fail (EIO)", false},
	"T10 PI":         {"T10 PI minds: the write fails (EILSEQ), or reads of it do", false},
	"dm integrity D": {"dm-integrity minds: its tags do not match, and reads fail (EILSEQ)", false},
	"dm integrity B": {"dm-integrity minds: its tags do not match, and reads fail (EILSEQ)", false},
	"dm integrity":   {"dm-integrity minds, but in its mode J: its tags do not match, and reads fail (EILSEQ)", false},
	"md raid1":       {"md raid1 minds: its disks differ (mismatch_cnt), and reads return one or the other", false},
	"md raid10":      {"md raid10 minds: its disks differ (mismatch_cnt), and reads return one or the other", false},
	"dm mirror":      {"dm-mirror minds: its disks differ, and reads return one or the other", false},
	"dm raid":        {"dm-raid minds, if it mirrors: its disks differ, and reads return one or the other", false},
	"drbd":           {"DRBD minds: its nodes differ, and it only warns", false},
	"bcachefs":       {"bcachefs copies first, if it has data checksums", false},
	"loop, buffered": {"the loop device copies first, into the page cache", true},
	"dm crypt":       {"dm-crypt copies first, as it encrypts", true},
	"dm integrity J": {"dm-integrity in mode J copies first, into its journal", true},
	"md raid4":       {"md raid4 copies first, into its stripes", true},
	"md raid5":       {"md raid5 copies first, into its stripes", true},
	"md raid6":       {"md raid6 copies first, into its stripes", true},
}

// Below says which of the layers, the highest first, mind that a write changes.
func Below(layers []record.Layer) string {
	var path, said []string
	minds := false
	for _, l := range layers {
		name := l.Name
		if l.Device != "" {
			name += " " + l.Device
		}
		path = append(path, record.Printable(name))
	}
	for _, l := range layers {
		e, ok := effects[l.Name]
		if ok && !slices.Contains(said, e.how) {
			said = append(said, e.how)
			minds = minds || !e.copies
		}
		if e.copies {
			break
		}
	}
	if !minds {
		said = append(said, "no layer here sums or mirrors what it takes from the program: the media hold old and new bytes mixed, which only checksums of the program show")
	}
	if len(path) == 0 {
		path = []string{"a device that is gone"}
	}
	return strings.Join(path, ", ") + ": " + strings.Join(said, "; ")
}

// switches are those of programs that are known to change what they write, by how
// their names begin.
var switches = []struct{ program, how string }{
	{"qemu", "cache=writeback (or writethrough) for its drives"},
	{"kvm", "cache=writeback (or writethrough) for its drives"},
	{"CPU ", "of QEMU, cache=writeback (or writethrough) for its drives"},
	{"mariadb", "innodb_flush_method=fsync, and for the redo log innodb_log_file_buffering=ON"},
	{"mysqld", "innodb_flush_method=fsync"},
	{"postgres", "debug_io_direct='', or data checksums (pg_checksums --enable)"},
}

func switchOf(comm string) string {
	for _, s := range switches {
		if strings.HasPrefix(comm, s.program) {
			return s.how
		}
	}
	return "for buffered I/O, if it has one; its manual tells"
}

const advice = `What to do, the first that is possible:
  1. The program's own switch for buffered I/O, or for checksums that it takes of a copy.
  2. A copy in between: qemu-nbd over a socket, or a loop device without direct I/O.
  3. stablewrite run -- COMMAND, which takes O_DIRECT away from it.
  4. A kernel that copies: btrfs with data checksums from Linux 6.15, xfs on devices that need
     stable pages from 7.0.
  5. If its source is yours, the library: go doc stablepages/stablewrite.
`

// notes say how much was looked at.
func notes(all []record.Watch) string {
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
		said += fmt.Sprintf("; queued by threads of the kernel, whose program is not known: %d", run.Unnamed)
	}
	return said + ". A change is seen if it is there when the write completes.\n"
}
