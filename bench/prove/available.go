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

// Item is something that a proof needs.
type Item struct {
	What string
	Have bool
	How  string // what is there, or how to get it
}

// Machines reports whether machines can be made here.
func Machines() Item {
	if err := kernel.CheckQEMU(); err != nil {
		return Item{What: "QEMU", How: err.Error()}
	}
	return Item{What: "QEMU", Have: true, How: "qemu-system-x86_64"}
}

// KernelOf reports whether Debian's kernel of a series can be had.
func KernelOf(ctx context.Context, cache string, s kernel.Series) Item {
	item := Item{What: s.String()}
	p, err := s.Find(ctx, cache)
	if err != nil {
		item.How = fmt.Sprintf("%s: %v", s.Suite, err)
		return item
	}
	item.Have = true
	item.How = s.Suite + ": " + p.Version
	if p.Bytes > 0 {
		item.How += fmt.Sprintf(", %.1f MB", float64(p.Bytes)/1e6)
	}
	if p.Cached {
		item.How += ", downloaded"
	} else {
		item.How += ", to be downloaded"
	}
	return item
}

// Tools reports whether what makes a victim is there.
func Tools(v victim.Victim) Item {
	commands := v.Commands
	if len(v.Mkfs) > 0 {
		commands = v.Mkfs[:1]
	}
	for _, c := range commands {
		if _, err := exec.LookPath(c); err != nil {
			return Item{What: v.Name, How: fmt.Sprintf("%s is not there: apt-get install %s", c, v.Package)}
		}
	}
	return Item{What: v.Name, Have: true, How: v.About}
}

// Runs reports whether prog can be run, or made, here.
func Runs(prog Program) Item {
	item := Item{What: prog.Name, Have: true, How: prog.About}
	_, err := prog.path()
	if err == nil && prog.source != "" {
		if _, err = exec.LookPath("gcc"); err != nil {
			err = errors.New("gcc is not there: apt-get install gcc libc6-dev")
		}
	}
	if err != nil {
		item.Have, item.How = false, err.Error()
	}
	return item
}

// Check reports all that p needs and cannot have, in one error.
func (p Plan) Check() error {
	missing := []string{}
	items := []Item{Machines()}
	for _, v := range p.Victims {
		items = append(items, Tools(v))
		if !slices.Contains(p.Scenarios, record.Unmodified) {
			continue
		}
		for _, prog := range p.programs(v) {
			items = append(items, Runs(prog))
		}
	}
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
