//go:build amd64

package watch

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

//go:generate sh bpf/make.sh watch.bpf.o

//go:embed watch.bpf.o
var object []byte

// What follows mirrors bpf/watch.bpf.c.

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

// event is a bio that changed.
type event struct {
	Who                      who
	InFlight, Sector, At     uint64
	Size, Blocks, Changed, _ uint32
	Stack                    [frames]uint64
}

type counts struct {
	Seen, Below, Unsampled, Other, Tracked, Finished uint64
	NoRoom, Unreadable, Replaced, Nobody             uint64
	RowsFull, EventsLost                             uint64
}

func (c *counts) add(d counts) {
	c.Seen += d.Seen
	c.Below += d.Below
	c.Unsampled += d.Unsampled
	c.Other += d.Other
	c.Tracked += d.Tracked
	c.Finished += d.Finished
	c.NoRoom += d.NoRoom
	c.Unreadable += d.Unreadable
	c.Replaced += d.Replaced
	c.Nobody += d.Nobody
	c.RowsFull += d.RowsFull
	c.EventsLost += d.EventsLost
}

// decode reads what the kernel's side wrote.
func decode(b []byte, to any) error {
	return binary.Read(bytes.NewReader(b), binary.NativeEndian, to)
}

// kernel is the object in the kernel. Nothing of it outlives this process.
type kernel struct {
	*ebpf.Collection
	links      []link.Link
	pageStruct uint64 // bytes of a struct page
}

// load loads the programs named and calibrate's, with these values of variables and
// sizes of maps, and calibrates them. None is attached.
func load(set map[string]any, sizes map[string]uint32, programs ...string) (_ *kernel, err error) {
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
	k := &kernel{pageStruct: uint64(page.Size)}
	values := map[string]any{"self": uint32(os.Getpid())}
	raw, err := os.ReadFile(kernelTypes)
	if err != nil {
		return nil, err
	}
	flags, err := enumerators(raw, "BIO_CLONED")
	if err != nil {
		return nil, err
	}
	values["bio_cloned"] = uint32(1) << flags["BIO_CLONED"]
	if bit, ok := flags["BIO_PAGE_PINNED"]; ok {
		values["bio_page_pinned"] = uint32(1) << bit
	}
	for name, value := range set {
		values[name] = value
	}
	for name, value := range values {
		if err := spec.Variables[name].Set(value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, size := range sizes {
		spec.Maps[name].MaxEntries = size
	}
	programs = append(programs, "on_alloc", "calibrate")
	for name := range spec.Programs {
		if !slices.Contains(programs, name) {
			delete(spec.Programs, name)
		}
	}
	if k.Collection, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{KernelTypes: types}}); err != nil {
		return nil, explain(err)
	}
	if err := k.calibrate(); err != nil {
		k.Close()
		return nil, fmt.Errorf("calibration: %w", err)
	}
	return k, nil
}

// attach attaches programs, in order.
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

// detach detaches all.
func (k *kernel) detach() (err error) {
	for _, l := range k.links {
		err = errors.Join(err, l.Close())
	}
	k.links = nil
	return err
}

// Close detaches and unloads all.
func (k *kernel) Close() error {
	err := k.detach()
	k.Collection.Close()
	return err
}
