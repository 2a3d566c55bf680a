package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

// Size and number of the gated writes. No change reaching the media in 64
// writes bounds the share that does below 4.7% (3/n, 95%).
const (
	writeBytes = 1 << 20
	writes     = 64
)

// Run looks at path, a file, directory or block device. It writes to a nameless
// scratch file in the directory; to a block device only by force.
func Run(ctx context.Context, path string, force bool) (record.Probe, error) {
	p := record.Probe{Kind: record.KindProbe, Path: path, Version: record.Version}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, fmt.Errorf("%w: name an existing file, directory or block device", err)
	} else if err != nil {
		return p, err
	}
	subject, target, err := open(path, st.Mode(), force)
	if err != nil {
		return p, err
	}
	defer subject.Close()
	p.System = record.SystemOf(subject)
	p.StableWrites = p.System.StableWrites
	if err := geometry(&p, subject); err != nil {
		return p, err
	}
	if target != nil {
		defer target.Close()
		if err := measure(ctx, &p, target.File); err != nil {
			return p, err
		}
	}
	p.Advice = advice(p)
	return p, nil
}

// open returns what is asked about and what may be written to, nil if nothing.
func open(path string, mode fs.FileMode, force bool) (subject *os.File, target *scratch.File, err error) {
	switch {
	case mode.IsDir():
		if target, err = scratch.Temporary(path); err != nil {
			return nil, nil, err
		}
		subject, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", target.Fd()), os.O_RDONLY, 0)
	case mode.IsRegular():
		if subject, err = os.Open(path); err != nil {
			return nil, nil, err
		}
		target, err = scratch.Temporary(filepath.Dir(path))
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		if subject, err = os.Open(path); err != nil || !force {
			return subject, nil, err
		}
		target, err = scratch.Open(path, true, true)
	default:
		return nil, nil, fmt.Errorf("%s is neither a file nor a directory nor a block device", path)
	}
	if err != nil {
		if subject != nil {
			subject.Close()
		}
		if target != nil {
			target.Close()
		}
		return nil, nil, err
	}
	return subject, target, nil
}

// geometry is what is known without writing.
func geometry(p *record.Probe, subject *os.File) error {
	f, err := stablewrite.New(subject, stablewrite.Options{})
	if errors.Is(err, stablewrite.ErrNotDirect) {
		p.Direct, p.DirectWhy = stablewrite.No.String(), err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	g := f.Geometry()
	p.MemAlign, p.OffsetAlign, p.AlignSource = g.MemAlign, g.OffsetAlign, g.Source
	p.Direct, p.DirectWhy = g.Direct.String(), g.Why
	return f.Close()
}

// measure makes raw writes that are changed in flight, and counts the changes
// that reached the media.
func measure(ctx context.Context, p *record.Probe, target *os.File) error {
	rec, err := repro.Run(ctx, repro.Config{
		Target: target, Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Indirect: true,
		Size: writeBytes, Writes: writes, Seed: 1,
	}, nil)
	if errors.Is(err, stablewrite.ErrNotDirect) { // O_DIRECT is refused: there is nothing to measure
		return nil
	}
	if err != nil {
		return fmt.Errorf("measuring with gated writes: %w", err)
	}
	p.Measured = true
	p.Writes, p.Reached, p.WriteErrors = rec.Overlapped, rec.Torn, rec.WriteErrors
	return nil
}

// advice says what follows.
func advice(p record.Probe) string {
	const choose = "Choose bounce where changes may be restored or a crash must not leave torn blocks; verify where changes are rare and stay."
	var said string
	switch {
	case p.WriteErrors > 0:
		said = "Affected: writes whose buffer changes in flight fail. " + choose
	case p.Reached > 0:
		said = "Affected: what changes in flight reaches the media. " + choose
	case p.Measured && p.Direct == stablewrite.Yes.String():
		said = fmt.Sprintf("Not shown: direct I/O is said to be direct, yet no change of %d reached the media. Run repro on it for longer before relying on that.", p.Writes)
	case p.Measured:
		said = "Not affected as it stands: the kernel copies before it writes. Nothing is gained over buffered writes; RequireDirect makes such a file an error where it is known."
	case p.Direct == stablewrite.No.String():
		said = "Not affected: there is no direct I/O here."
	default:
		said = "Not measured: with --force gated writes overwrite the start of the device. Until then take it for affected. " + choose
	}
	if p.StableWrites != nil && *p.StableWrites {
		said += " The device asks for stable pages (queue/stable_writes): buffered writes are protected by the kernel, direct ones are not."
	}
	return said
}
