//go:build amd64

package watch

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	pageSize = 4096
	// calibrationPages is how many pages calibrate allocates. Each page that it sees
	// confirms the constants.
	calibrationPages = 64
	// mostMemory is the most memory that a kernel with page tables of 4 levels maps, in
	// GiB (Documentation/arch/x86/x86_64/mm.rst).
	mostMemory = 64 << 10
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
// It needs no write to a device. A program in the kernel sees the pages that the kernel
// allocates for this process. The struct of a page of anonymous memory has the number of
// the page in its mapping, and /proc/self/pagemap has the number of its frame. So each
// struct gives an address where the structs begin, and all must agree. (Consecutive
// frames that were taken for their neighbors would agree, too.) Memory begins at a
// multiple of 1 GiB, so calibrate tries these, from a struct task downwards, until one
// leads to the random bytes of a page. Then both constants must lead from the struct of
// every page to its bytes.
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
	first, err := k.ask(question{Frame: frames[0], Tries: mostMemory}, mem)
	if err != nil {
		return err
	}
	if first.Answer == 0 {
		return errors.New("no address where memory may begin leads to a page of this process")
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

// ask asks the program in the kernel about a page of this process.
func (k *kernel) ask(q question, page []byte) (question, error) {
	for i := range q.Begins {
		q.Begins[i] = binary.LittleEndian.Uint64(page[8*i:])
	}
	_, err := k.Programs["calibrate"].Run(&ebpf.RunOptions{Context: &q, ContextOut: &q})
	if err == nil && q.PID != uint32(os.Getpid()) {
		err = errors.New("this process is in a PID namespace, as in a container, where PIDs differ from the kernel's: run it outside, or with the namespace of the host (docker run --pid=host)")
	}
	return q, err
}

// structsOf returns the addresses of the structs of pages of mem, by the number of the
// page in mem. The kernel's side also saw pages for other uses, such as page tables, and
// may have missed some.
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

func addressOf(mem []byte) uintptr { return uintptr(unsafe.Pointer(&mem[0])) }
