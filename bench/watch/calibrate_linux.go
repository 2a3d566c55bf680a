//go:build amd64

package watch

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	pageSize = 4096
	// calibrationPages are written to, and all but the first prove what was found.
	calibrationPages = 64
	gibibyte         = 1 << 30
)

// question mirrors struct question of bpf/watch.bpf.c.
type question struct {
	Frame      uint64
	Begins     [4]uint64
	Tries, PID uint32
	Answer     uint64
}

// calibrate finds the two constants by which the kernel turns a page struct
// into an address: where page structs begin, and where memory begins.
//
// Nothing is written for that. New pages of this process are seen when the kernel
// allocates them, and /proc/self/pagemap says which frames they are: all pairs of
// struct and frame agree on one beginning of the page structs. Memory begins
// at a multiple of 1 GiB, so only as many addresses can be right as there are GiB of
// memory: the one where the random bytes of a page are found. Then every other
// page must be found by both constants, from its struct. A wrong constant finds
// none of them.
func (k *kernel) calibrate() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mem, err := unix.Mmap(-1, 0, calibrationPages*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	defer unix.Munmap(mem)
	if err := unix.Madvise(mem, unix.MADV_NOHUGEPAGE); err != nil && err != unix.EINVAL { // EINVAL: there are none
		return err
	}
	if _, err := k.ask(mem, 0, 0); err != nil { // the kernel's side tells our allocations by our PID
		return err
	}
	if err := k.attach("on_alloc"); err != nil {
		return err
	}
	for at := 0; at < len(mem); at += pageSize {
		rand.Read(mem[at : at+32])
	}
	if err := errors.Join(k.detach(), unix.Mlock(mem)); err != nil { // locked, pages stay where they are
		return err
	}
	frames, err := framesOf(mem)
	if err != nil {
		return err
	}
	structs, err := k.allocated()
	if err != nil {
		return err
	}
	begin, agree := mostAgreed(structs, frames, k.pageStruct)
	if agree < calibrationPages*3/4 {
		return fmt.Errorf("%d of %d new pages were seen in %d allocations", agree, calibrationPages, len(structs))
	}
	memory, err := memoryGiB()
	if err != nil {
		return err
	}
	first, err := k.ask(mem, frames[0], memory+1)
	if err != nil {
		return err
	}
	if first.Answer == 0 {
		return fmt.Errorf("a page of this process was not found in %d GiB of memory", memory)
	}
	if err := errors.Join(k.Variables["vmemmap"].Set(begin), k.Variables["direct_map"].Set(first.Answer)); err != nil {
		return err
	}
	for i := 1; i < calibrationPages; i++ {
		q, err := k.ask(mem[i*pageSize:], frames[i], 0)
		if err != nil {
			return err
		}
		if q.Answer != first.Answer {
			return fmt.Errorf("page %d of %d of this process is not where it must be", i+1, calibrationPages)
		}
	}
	return nil
}

// ask lets the kernel look for a page, at so many addresses, or at the one that is
// known if they are 0.
func (k *kernel) ask(page []byte, frame uint64, tries uint32) (question, error) {
	q := question{Frame: frame, Tries: tries}
	for i := range q.Begins {
		q.Begins[i] = binary.LittleEndian.Uint64(page[8*i:])
	}
	_, err := k.Programs["calibrate"].Run(&ebpf.RunOptions{Context: &q, ContextOut: &q})
	if err == nil && q.PID != uint32(os.Getpid()) {
		err = errors.New("this process is in a PID namespace, as in a container, where processes cannot be told: run it outside, or with the host's (docker run --pid=host)")
	}
	return q, err
}

// allocated returns the structs of pages that were given to this process.
func (k *kernel) allocated() ([]uint64, error) {
	var pages struct {
		N, _ uint32
		Page [512]uint64
	}
	if err := k.Variables["pages"].Get(&pages); err != nil {
		return nil, err
	}
	return pages.Page[:min(int(pages.N), len(pages.Page))], nil
}

// mostAgreed is the beginning of page structs that most frames agree on.
func mostAgreed(structs, frames []uint64, size uint64) (begin uint64, agree int) {
	votes := map[uint64]int{}
	for _, s := range structs {
		for _, f := range frames {
			b := s - f*size
			if votes[b]++; votes[b] > agree {
				begin, agree = b, votes[b]
			}
		}
	}
	return begin, agree
}

// framesOf returns the frame numbers of the pages of mem
// (Documentation/admin-guide/mm/pagemap.rst).
func framesOf(mem []byte) ([]uint64, error) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, len(mem)/pageSize*8)
	if _, err := f.ReadAt(b, int64(addressOf(mem)/pageSize*8)); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	var all []uint64
	for ; len(b) > 0; b = b[8:] {
		entry := binary.LittleEndian.Uint64(b)
		frame := entry & (1<<55 - 1)
		if entry>>63 == 0 || frame == 0 {
			return nil, fmt.Errorf("%s hides where pages are: run as root, with CAP_SYS_ADMIN", f.Name())
		}
		all = append(all, frame)
	}
	return all, nil
}

// memoryGiB is how many GiB of addresses memory extends over.
func memoryGiB() (uint32, error) {
	b, err := os.ReadFile("/proc/iomem")
	if err != nil {
		return 0, err
	}
	var end uint64
	for line := range strings.Lines(string(b)) {
		if span, what, ok := strings.Cut(strings.TrimSpace(line), " : "); ok && strings.HasPrefix(what, "System RAM") {
			_, last, _ := strings.Cut(span, "-")
			n, err := strconv.ParseUint(last, 16, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/iomem: %w", err)
			}
			end = max(end, n)
		}
	}
	if end == 0 {
		return 0, errors.New("/proc/iomem hides where memory is: run as root, with CAP_SYS_ADMIN")
	}
	return uint32(end/gibibyte + 1), nil
}

func addressOf(mem []byte) uintptr { return uintptr(unsafe.Pointer(&mem[0])) }
