package ring

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
	"stablepages/bench/testenv"
)

// parts cuts p into n parts of whole blocks, as even as possible.
func parts(p []byte, n, block int) (iov []unix.Iovec) {
	for blocks := len(p) / block; n > 0; n-- {
		k := blocks / n * block
		iov = append(iov, unix.Iovec{Base: &p[0]})
		iov[len(iov)-1].SetLen(k)
		p, blocks = p[k:], blocks-k/block
	}
	return iov
}

func TestFileHoldsWhatWasWritten(t *testing.T) {
	const blocks = 64
	for _, flags := range []int{unix.O_DIRECT, 0} {
		for _, each := range []int{1, 4, blocks} { // blocks per submission
			for _, iovs := range []int{0, 1, 3, 1024} { // 0: Write
				t.Run(fmt.Sprintf("flags %#x, %d blocks each, %d parts", flags, each, iovs), func(t *testing.T) {
					r, name := open(t, 8), filepath.Join(testenv.DirectDir(t), "file")
					fd := file(t, name, unix.O_RDWR|unix.O_CREAT|flags)
					p := mapped(t, blocks<<12, unix.PROT_READ|unix.PROT_WRITE)
					for i := range p {
						p[i] = byte(rand.Uint32())
					}
					size := each << 12
					for off := 0; off < len(p); {
						for ; off < len(p) && r.inFlight < len(r.submissions); off += size {
							part := p[off:][:size]
							if iovs == 0 {
								must(t, r.Write(fd, part, int64(off), uint64(off)))
							} else {
								must(t, r.Writev(fd, parts(part, min(iovs, size/512), 512), int64(off), uint64(off)))
							}
						}
						for r.inFlight > 0 {
							if got := next(t, r); got.res != int32(size) {
								t.Errorf("completion %+v, want %d bytes", got, size)
							}
						}
					}
					if !bytes.Equal(testenv.Media(t, name), p) {
						t.Error("the file does not hold what was written")
					}
				})
			}
		}
	}
}

func TestNumberOfParts(t *testing.T) {
	fd := file(t, filepath.Join(t.TempDir(), "file"), unix.O_RDWR|unix.O_CREAT)
	p := make([]byte, 2000)
	for _, tt := range []struct {
		parts int
		want  int32
	}{{0, 0}, {1, 2000}, {1024, 2000}, {1025, -int32(unix.EINVAL)}} { // UIO_MAXIOV is 1024
		t.Run(fmt.Sprint(tt.parts), func(t *testing.T) {
			r := open(t, 1)
			must(t, r.Writev(fd, parts(p, tt.parts, 1), 0, 1))
			if got := next(t, r); got != (result{1, tt.want}) {
				t.Errorf("completion %+v, want result %d", got, tt.want)
			}
		})
	}
}

func TestNothingIsAllocated(t *testing.T) {
	r := open(t, 4)
	fd := file(t, "/dev/null", unix.O_WRONLY)
	p := make([]byte, 4096)
	iov := parts(p, 4, 512)
	for _, tt := range []struct {
		name   string
		submit func() error
	}{
		{"Write", func() error { return r.Write(fd, p, 0, 1) }},
		{"Writev", func() error { return r.Writev(fd, iov, 0, 2) }},
		{"Nop", func() error { return r.Nop(3) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, func() {
				must(t, tt.submit())
				next(t, r)
			}); n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}

// Memory that the kernel reads must not be on a stack, which moves.
func TestBuffersAreOnTheHeap(t *testing.T) {
	r := open(t, 4)
	fd := file(t, "/dev/null", unix.O_WRONLY)
	for _, tt := range []struct {
		name   string
		submit func() error
		want   float64
	}{
		{"Write", func() error {
			var p [64]byte
			return r.Write(fd, p[:], 0, 1)
		}, 1},
		{"Writev", func() error {
			var p [64]byte
			iov := [1]unix.Iovec{{Base: &p[0]}}
			return r.Writev(fd, iov[:], 0, 2)
		}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, func() {
				must(t, tt.submit())
				next(t, r)
			}); n != tt.want {
				t.Errorf("%v allocations, want %v", n, tt.want)
			}
		})
	}
}
