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
	// calibrationPages are written to. Each of those that are seen proves what was
	// found.
	calibrationPages = 64
	gibibyte         = 1 << 30
)

// question mirrors struct question of bpf/watch.bpf.c.
type question struct {
	Page, Frame   uint64
	Begins        [4]uint64
	Tries, PID    uint32
	Index, Answer uint64
}

// calibrate finds the two constants by which the kernel turns a page struct
// into an address: where page structs begin, and where memory begins.
//
// Nothing is written for that. New pages of this process are seen when the kernel
// allocates them. Which is which of them the kernel notes in their structs (a page of
// anonymous memory has the number of its place there), and /proc/self/pagemap says
// which frames they are: so every struct tells where the structs begin, and all must
// agree. Frames that follow each other would also agree if they were taken for their
// neighbors. Memory begins at a multiple of 1 GiB, so only as many addresses can be
// right as there are GiB of memory: the one where the random bytes of a page are
// found. Then every page must be found by both constants, from its struct.
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
	if _, err := k.ask(question{}, mem); err != nil { // the kernel's side tells our allocations by our PID
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
	structs, err := k.structsOf(mem)
	if err != nil {
		return err
	}
	var begin uint64
	for i, s := range structs {
		b := s - frames[i]*k.pageStruct
		if begin != 0 && b != begin {
			return fmt.Errorf("the structs of pages begin at %#x by one page of this process, and at %#x by another", begin, b)
		}
		begin = b
	}
	memory, err := memoryGiB()
	if err != nil {
		return err
	}
	first, err := k.ask(question{Frame: frames[0], Tries: memory + 1}, mem)
	if err != nil {
		return err
	}
	if first.Answer == 0 {
		return fmt.Errorf("a page of this process was not found in %d GiB of memory", memory)
	}
	if err := errors.Join(k.Variables["vmemmap"].Set(begin), k.Variables["direct_map"].Set(first.Answer)); err != nil {
		return err
	}
	for i, s := range structs {
		q, err := k.ask(question{Page: s}, mem[i*pageSize:])
		if err != nil {
			return err
		}
		if q.Answer != first.Answer {
			return fmt.Errorf("page %d of %d of this process is not where it must be", i+1, calibrationPages)
		}
	}
	return nil
}

// ask has the kernel's side answer a question about a page of this process.
func (k *kernel) ask(q question, page []byte) (question, error) {
	for i := range q.Begins {
		q.Begins[i] = binary.LittleEndian.Uint64(page[8*i:])
	}
	_, err := k.Programs["calibrate"].Run(&ebpf.RunOptions{Context: &q, ContextOut: &q})
	if err == nil && q.PID != uint32(os.Getpid()) {
		err = errors.New("this process is in a PID namespace, as in a container, where processes cannot be told: run it outside, or with the host's (docker run --pid=host)")
	}
	return q, err
}

// structsOf returns the addresses of the structs of pages of mem, by their number in
// it. Of the pages that were given to this process others are for its page tables, and
// some may have gone by unseen.
func (k *kernel) structsOf(mem []byte) (map[int]uint64, error) {
	var given struct {
		N, _ uint32
		Page [512]uint64
	}
	if err := k.Variables["pages"].Get(&given); err != nil {
		return nil, err
	}
	all := map[int]uint64{}
	n := min(int(given.N), len(given.Page))
	for _, page := range given.Page[:n] {
		q, err := k.ask(question{Page: page}, mem)
		if err != nil {
			return nil, err
		}
		if i := q.Index - uint64(addressOf(mem)/pageSize); i < calibrationPages {
			all[int(i)] = page
		}
	}
	if len(all) < calibrationPages*3/4 {
		return nil, fmt.Errorf("%d of %d new pages were seen in %d allocations", len(all), calibrationPages, n)
	}
	return all, nil
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
