package watch

import (
	"fmt"
	"slices"
	"strconv"
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
	return Clean, fmt.Sprintf("0 of %d %s were seen to change after queueing: fewer than %s %% do (95 %% confidence).", n, looked, percent(min(3/float64(n), 1)))
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
		fmt.Fprintf(t, "%d\t%d\t%s\t%d\t%d\t  %s, %s, %s\n", r.Writes, r.Changed, Share(r.Changed, r.Writes), r.Blocks, r.BlocksChanged, Program(r), r.Memory, record.Printable(r.Device))
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

// Share is n of so many in percent.
func Share(n, of int64) string {
	if n == 0 {
		return "0"
	}
	return percent(float64(n)/float64(of)) + " %"
}

// percent is a share in percent, of two digits.
func percent(share float64) string {
	short, _ := strconv.ParseFloat(strconv.FormatFloat(100*share, 'e', 1, 64), 64)
	return strconv.FormatFloat(short, 'f', -1, 64)
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

// Finding is what is said of a program that changed direct writes.
type Finding struct {
	Program string
	Said    []string // the file, an example, what of that below minds, the program's switch
}

// Findings are those of the programs that changed direct writes. Processes of one
// name that wrote to one file are one.
func Findings(all []record.Watch) (found []Finding) {
	type key struct{ comm, device, file string }
	processes := map[key][]record.Watch{}
	var order []key
	for _, r := range all {
		if r.Direct != stablewrite.DirectYes || r.Changed == 0 {
			continue
		}
		k := key{r.Comm, r.Device, r.File}
		if processes[k] == nil {
			order = append(order, k)
		}
		processes[k] = append(processes[k], r)
	}
	for _, k := range order {
		r := processes[k][0]
		f := Finding{Program: Program(r), Said: about(r)}
		if n := len(processes[k]) - 1; n > 0 {
			f.Program += fmt.Sprintf(" and %d more", n)
		}
		found = append(found, f)
	}
	return found
}

// about says where r changed, what of that below minds, and which switch its program
// has.
func about(r record.Watch) (said []string) {
	if r.File != "" {
		said = append(said, "file: "+record.Printable(r.File))
	}
	if e := r.Example; e != nil {
		more := ""
		if e.Blocks > 1 {
			more = fmt.Sprintf(" and %d more", e.Blocks-1)
		}
		said = append(said, fmt.Sprintf("example: sector %d of %s, %d bytes, block %d%s, within %s", e.Sector, record.Printable(r.Device), e.Bytes, e.Block, more, duration(e.InFlightNS)))
		if len(e.Stack) > 0 {
			said = append(said, "submitted by: "+record.Printable(strings.Join(e.Stack, " < ")))
		}
	}
	return append(said, "below: "+Below(r.Layers), "its own switch: "+switchOf(r.Comm))
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
	return "for buffered I/O, if it has one; its manual tells"
}

// Advice is what can be done about a program that changes what it writes, the best
// first.
var Advice = []string{
	"The program's own switch for buffered I/O, or for checksums that it takes of a copy.",
	"A copy in between: qemu-nbd over a socket, or a loop device without direct I/O.",
	"stablewrite run -- COMMAND, which takes O_DIRECT away from it.",
	"A kernel that copies: for btrfs with data checksums 6.15, for xfs on devices that need stable pages 7.0.",
	"If its source is yours, the library: go doc stablepages/stablewrite.",
}

// Coverage says how much was looked at.
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
		said += fmt.Sprintf("; queued by threads of the kernel, whose program is not known: %d", run.Unnamed)
	}
	return said + ". A change is seen if it is there when the write completes."
}
