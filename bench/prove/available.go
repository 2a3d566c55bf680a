package prove

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"stablepages/bench/kernel"
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
func KernelOf(ctx context.Context, cache, series string) Item {
	item := Item{What: "Linux " + series}
	pkg, err := kernel.Package(ctx, series)
	switch {
	case err != nil:
		item.How = err.Error()
	default:
		item.Have = true
		item.How = pkg + ", to be downloaded"
		if _, ok := kernel.Cached(cache, pkg); ok {
			item.How = pkg + ", downloaded"
		}
	}
	return item
}

// Tools reports whether what makes the disk of a victim is there.
func Tools(v victim.Victim) Item {
	item := Item{What: v.Name, Have: true, How: v.About}
	if len(v.Mkfs) == 0 {
		return item
	}
	if _, err := exec.LookPath(v.Mkfs[0]); err != nil {
		item.Have, item.How = false, fmt.Sprintf("%s is not there: apt-get install %s", v.Mkfs[0], v.Package)
	}
	return item
}

// Check reports all that p needs and cannot have, in one error.
func (p Plan) Check() error {
	missing := []string{}
	items := []Item{Machines()}
	for _, v := range p.Victims {
		items = append(items, Tools(v))
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
