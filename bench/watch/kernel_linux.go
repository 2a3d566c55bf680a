//go:build amd64

package watch

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

//go:generate sh bpf/make.sh watch.bpf.o

//go:embed watch.bpf.o
var object []byte

// The types below mirror those of bpf/watch.bpf.c.

const frames = 32 // of a stack

// who is the key of a row.
type who struct {
	Started, Cgroup         uint64
	TGID, Memory, Device, _ uint32
	Comm                    [16]byte
}

type row struct {
	Writes, Changed, Blocks, BlocksChanged, Truncated uint64
	FirstChanged                                      uint64 // CLOCK_MONOTONIC
}

// event is a bio whose pages changed.
type event struct {
	Who                      who
	InFlight, Sector, At     uint64
	Size, Blocks, Changed, _ uint32
	Stack                    [frames]uint64
}

// counts is a struct counts, of one processor or of all.
type counts [12]uint64

// Indices into counts. Nothing here uses the others.
const (
	countSeen, countBelow                                    = 0, 1
	countNoRoom, countUnreadable, countReplaced, countNobody = 6, 7, 8, 9
)

// kernel is the object in the kernel, which frees it when this process ends.
type kernel struct {
	*ebpf.Collection
	links      []link.Link
	pageStruct uint64 // bytes of a struct page
}

// load loads and calibrates the named programs and those of calibrate. It sets
// variables, and the sizes of maps where they are not 0. It attaches no program.
func load(set map[string]any, sizes map[string]uint32, programs ...string) (*kernel, error) {
	if err := check(); err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("the kernel's types (BTF): %w", err)
	}
	var page *btf.Struct
	if err := types.TypeByName("page", &page); err != nil {
		return nil, fmt.Errorf("the kernel's types (BTF): %w", err)
	}
	raw, err := os.ReadFile(kernelTypes)
	if err != nil {
		return nil, err
	}
	flags, err := enumerators(raw, "BIO_CLONED")
	if err != nil {
		return nil, err
	}
	values := map[string]any{"self": uint32(os.Getpid()), "bio_cloned": uint32(1) << flags["BIO_CLONED"]}
	if bit, ok := flags["BIO_PAGE_PINNED"]; ok {
		values["bio_page_pinned"] = uint32(1) << bit
	}
	maps.Copy(values, set)
	for name, value := range values {
		if err := spec.Variables[name].Set(value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, size := range sizes {
		if size != 0 {
			spec.Maps[name].MaxEntries = size
		}
	}
	programs = append(programs, "on_alloc", "calibrate")
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return !slices.Contains(programs, name) })
	options := ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{KernelTypes: types}}
	loaded, err := ebpf.NewCollectionWithOptions(spec, options)
	if err != nil {
		return nil, explain(err)
	}
	k := &kernel{Collection: loaded, pageStruct: uint64(page.Size)}
	if err := k.calibrate(); err != nil {
		k.Close()
		return nil, fmt.Errorf("calibration: %w", err)
	}
	return k, nil
}

// attach attaches programs in this order.
func (k *kernel) attach(programs ...string) error {
	for _, name := range programs {
		l, err := link.AttachTracing(link.TracingOptions{Program: k.Programs[name]})
		if err != nil {
			return fmt.Errorf("attach %s: %w", name, err)
		}
		k.links = append(k.links, l)
	}
	return nil
}

// detach detaches all programs.
func (k *kernel) detach() (err error) {
	for _, l := range k.links {
		err = errors.Join(err, l.Close())
	}
	k.links = nil
	return err
}

// Close detaches and unloads all programs.
func (k *kernel) Close() error {
	err := k.detach()
	k.Collection.Close()
	return err
}
