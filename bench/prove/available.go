package prove

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"stablepages/bench/kernel"
	"stablepages/bench/record"
	"stablepages/bench/scratch"
	"stablepages/bench/victim"
)

// Item is a prerequisite of a proof.
type Item struct {
	What string
	Have bool
	How  string // its name or version, or how to get it
}

// NewItem returns the Item that is there if err is nil. Otherwise err says how to get it.
func NewItem(what, how string, err error) Item {
	if err != nil {
		how = err.Error()
	}
	return Item{what, err == nil, how}
}

// Machines reports whether machines can be made here.
func Machines() Item { return NewItem("QEMU", "qemu-system-x86_64", kernel.CheckQEMU()) }

// KernelOf reports whether Debian's kernel of a series can be had.
func KernelOf(ctx context.Context, cache string, s kernel.Series) Item {
	p, err := s.Find(ctx, cache)
	if err != nil {
		return NewItem(s.String(), "", fmt.Errorf("%s: %w", s.Suite, err))
	}
	how := s.Suite + ": " + p.Version
	if p.Bytes > 0 {
		how += fmt.Sprintf(", %.1f MB", float64(p.Bytes)/1e6)
	}
	if p.Cached {
		return NewItem(s.String(), how+", downloaded", nil)
	}
	return NewItem(s.String(), how+", to be downloaded", nil)
}

// Tools reports whether the commands that make a victim are there.
func Tools(v victim.Victim) Item {
	commands := v.Commands
	if len(v.Mkfs) > 0 {
		commands = v.Mkfs[:1]
	}
	var missing error
	for _, c := range commands {
		if _, err := exec.LookPath(c); err != nil {
			missing = fmt.Errorf("%s is not there: apt-get install %s", c, v.Package)
		}
	}
	return NewItem(v.Name, v.About, missing)
}

// Runs reports whether prog can be run, or made, here.
func Runs(prog Program) Item {
	_, err := prog.path()
	if err == nil && prog.source != "" {
		if _, err = exec.LookPath("gcc"); err != nil {
			err = errors.New("gcc is not there: apt-get install gcc libc6-dev")
		}
	}
	return NewItem(prog.Name, prog.About, err)
}

// Check reports all that p needs and cannot have, in one error.
func (p Plan) Check() error {
	items := []Item{Machines()}
	for _, v := range p.Victims {
		items = append(items, Tools(v))
		if slices.Contains(p.Scenarios, record.Unmodified) {
			for _, prog := range p.programs(v) {
				items = append(items, Runs(prog))
			}
		}
	}
	var missing []string
	for _, i := range items {
		if !i.Have && !slices.Contains(missing, i.How) {
			missing = append(missing, i.How)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing: %s", strings.Join(missing, "; "))
	}
	if p.Accel == kernel.KVM {
		kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("KVM: %w: emulate", err)
		}
		kvm.Close()
	}
	disk, err := scratch.Temporary(p.Dir)
	if err != nil {
		return err
	}
	return disk.Close()
}
