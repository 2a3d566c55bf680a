package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/scratch"
	"stablepages/bench/watch"
	"stablepages/stablewrite"
)

const writeBytes = 1 << 20

// Writes is the usual number of writes of each kind. If no change of 64 reached the
// media, at most 4.7% of changes do (3/n, 95%).
const Writes = 64

// Run probes path, a file, directory or block device, with so many writes of each
// kind. It writes to an unnamed scratch file in the directory, to a block device only
// if force is set, and never to an existing file.
func Run(ctx context.Context, path string, force bool, writes int) (record.Probe, error) {
	p := record.Probe{Kind: record.KindProbe, Path: path, Version: record.Version}
	s, err := open(path, force)
	defer s.close()
	if err == nil {
		err = look(&p, s.subject)
	}
	switch {
	case err != nil:
		return p, err
	case s.target == nil:
		p.Unmeasured = "measuring overwrites the start of the device; --force permits that"
	case s.target != s.subject:
		p.Unmeasured, err = unlike(p, s.target)
	}
	if err != nil || p.Unmeasured != "" {
		return p, err
	}
	return p, measure(ctx, &p, s.target, s.on, writes)
}

// stage is where a probe looks and writes.
type stage struct {
	subject *os.File // the file or device that the Record describes
	target  *os.File // the file or device that is written to; nil: none may be
	on      string   // what target is
}

func (s stage) close() { // of a nil File it does nothing
	s.subject.Close()
	s.target.Close()
}

// open opens the stage for a path. It may return files with an error, too.
func open(path string, force bool) (s stage, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return s, advised(err)
	}
	device := st.Mode()&fs.ModeDevice != 0 && st.Mode()&fs.ModeCharDevice == 0
	switch {
	case st.IsDir():
		s.target, err = scratch.Temporary(path)
		s.subject, s.on = s.target, "a scratch file in the directory"
	case st.Mode().IsRegular():
		s.on = "a scratch file beside it"
		if s.subject, err = os.Open(path); err != nil {
			return s, advised(err)
		}
		s.target, err = scratch.Temporary(filepath.Dir(path))
	case device && force:
		var f *scratch.File
		if f, err = scratch.Open(path, true, true); err == nil {
			s = stage{f.File, f.File, "the device"}
		}
	case device:
		if s.subject, err = os.Open(path); err != nil {
			return s, advised(err)
		}
		err = scratch.HasMedia(s.subject)
	default:
		err = fmt.Errorf("%s is neither a file nor a directory nor a block device", path)
	}
	return s, err
}

// advised adds what to do to an error of a path.
func advised(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: name an existing file, directory or block device", err)
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w: as in a container, this process may not open it: pass the device to the container, or run probe on the host", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run probe as root (sudo)", err)
	}
	return err
}

// unlike says why measuring on target, a new file in the directory of an existing file,
// would tell nothing about the existing file; "" if it tells.
func unlike(p record.Probe, target *os.File) (string, error) {
	if p.System.FileSystem == "btrfs" {
		return "btrfs has no interface that tells whether an existing file has checksums; name the directory instead", nil
	}
	var beside record.Probe
	err := look(&beside, target)
	if err == nil && (beside.WrittenWhy != p.WrittenWhy || beside.OffsetAlign != p.OffsetAlign) {
		return fmt.Sprintf("a new file beside it would be written differently (%s: %s)", beside.Written, beside.WrittenWhy), nil
	}
	return "", err
}

// look fills in the fields that are known without writing.
func look(p *record.Probe, subject *os.File) error {
	p.System = record.SystemOf(subject)
	p.Layers = watch.LayersOf(p.System.Device)
	if p.System.FileSystem == "" && len(p.Layers) > 0 && p.Layers[0].Device == "" {
		p.Layers = p.Layers[1:] // a mounted device, probed as a device
	}
	f, err := stablewrite.New(subject, stablewrite.Options{})
	if errors.Is(err, stablewrite.ErrNotDirect) {
		p.Written, p.WrittenWhy = stablewrite.DirectNo, fmt.Sprintf("%s does not support O_DIRECT", p.System.FileSystem)
		return nil
	}
	if err != nil {
		return err
	}
	g := f.Geometry()
	p.MemAlign, p.OffsetAlign, p.AlignSource = g.MemAlign, g.OffsetAlign, g.Source
	p.Written, p.WrittenWhy = g.Direct, g.Why
	return f.Close()
}

// measure makes raw writes whose buffers change in flight, and counts the changes that
// reached the media. Then it makes as many whose buffers change at any time, and
// counts those that failed or cannot be read back: some devices, such as scsi_debug with
// protection information, read the data at submission, before a gated change.
func measure(ctx context.Context, p *record.Probe, target *os.File, on string, writes int) error {
	cfg := repro.Config{
		Target: target, Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Indirect: true,
		Size: writeBytes, Writes: writes, Seed: 1,
	}
	gated, err := repro.Run(ctx, cfg, nil)
	if errors.Is(err, stablewrite.ErrNotDirect) {
		p.Unmeasured = "the kernel refuses O_DIRECT here"
		return nil
	}
	if err != nil {
		return fmt.Errorf("measuring with gated writes: %w", err)
	}
	cfg.Gate = false
	free, err := repro.Run(ctx, cfg, nil)
	if err != nil {
		return fmt.Errorf("measuring: %w", err)
	}
	observe(p, target)
	p.Measured = on
	p.Writes, p.Reached, p.WriteErrors = gated.Overlapped, gated.Torn, gated.WriteErrors
	p.Free, p.Failed = free.Overlapped, free.ReadErrors+free.WriteErrors
	return nil
}

// observe replaces the assumption about how the kernel writes by an observation of whose
// pages a write has. Where nothing can be watched (see watch.Start) the assumption stays.
func observe(p *record.Probe, target *os.File) {
	from := map[stablewrite.Directness]string{
		stablewrite.DirectYes:     "from the program's own pages",
		stablewrite.DirectNo:      "from the page cache",
		stablewrite.DirectBounced: "from a copy that the kernel made",
	}
	if how, err := watch.HowFileIsWritten(target); err == nil && from[how] != "" {
		p.Written, p.WrittenWhy = how, "a test write reached the block device "+from[how]+" (observed with eBPF)"
	}
}
