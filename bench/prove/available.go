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

// KernelOf reports whether Debian's kernel of a series can be had.
func KernelOf(ctx context.Context, cache string, s kernel.Series) Item {
	p, err := s.Find(ctx, cache)
	if err != nil {
		err = fmt.Errorf("%s: %w", s.Suite, err)
	}
	how := s.Suite + ": " + p.Version
	if p.Bytes > 0 {
		how += fmt.Sprintf(", %.1f MB", float64(p.Bytes)/1e6)
	}
	if p.Cached {
		how += ", downloaded"
	} else {
		how += ", to be downloaded"
	}
	return NewItem(s.String(), how, err)
}

// Items lists the prerequisites of p but for its kernels.
func (p Plan) Items() []Item {
	items := []Item{NewItem("QEMU", "qemu-system-x86_64", kernel.CheckQEMU())}
	var programs []Item
	for _, v := range p.Victims {
		items = append(items, tools(v))
		if slices.Contains(p.Scenarios, record.Unmodified) {
			for _, prog := range p.programs(v) {
				if i := prog.item(); !slices.Contains(programs, i) {
					programs = append(programs, i)
				}
			}
		}
	}
	return append(items, programs...)
}

// tools returns the Item of the commands that make a victim.
func tools(v victim.Victim) Item {
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

func (p Program) item() Item {
	_, err := p.path()
	if err == nil && p.source != "" {
		if _, err = exec.LookPath("gcc"); err != nil {
			err = errors.New("gcc is not there: apt-get install gcc libc6-dev")
		}
	}
	return NewItem(p.Name, p.About, err)
}

// Check reports all that p needs and cannot have, in one error.
func (p Plan) Check() error {
	var missing []string
	for _, i := range p.Items() {
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
