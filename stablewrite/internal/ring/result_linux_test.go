package ring

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"stablepages/bench/testenv"
)

// asResult converts the result of a system call to that of a ring.
func asResult(n int, err error) int32 {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return -int32(errno)
	}
	return int32(n)
}

func TestResultIsThatOfPwrite(t *testing.T) {
	const whole = math.MinInt32 // the length of the request
	dir := testenv.DirectDir(t)
	page := mapped(t, 4096, unix.PROT_READ|unix.PROT_WRITE)
	half := mapped(t, 8192, unix.PROT_READ|unix.PROT_WRITE)
	must(t, unix.Mprotect(half[4096:], unix.PROT_NONE))
	regular := file(t, filepath.Join(dir, "regular"), unix.O_RDWR|unix.O_CREAT)
	direct := file(t, filepath.Join(dir, "direct"), unix.O_RDWR|unix.O_CREAT|unix.O_DIRECT)
	read := file(t, filepath.Join(dir, "regular"), unix.O_RDONLY)
	var huge []byte
	if strconv.IntSize == 64 {
		bytes := uint64(1<<32 + 8192)
		huge = mapped(t, int(bytes), unix.PROT_NONE)
	}
	for _, tt := range []struct {
		name string
		fd   int
		p    []byte
		off  int64
		want int32
	}{
		{"page cache", regular, page, 12345, whole},
		{"direct", direct, page, 4096, whole},
		{"Go heap", regular, make([]byte, 10000), 1, whole},
		{"no bytes", regular, nil, 0, 0},
		{"no descriptor", -1, page, 0, -int32(unix.EBADF)},
		{"read only", read, page, 0, -int32(unix.EBADF)},
		{"memory that cannot be read", regular, half[4096:], 0, -int32(unix.EFAULT)},
		{"direct, memory that cannot be read", direct, half[4096:], 0, -int32(unix.EFAULT)},
		{"memory that can be read in part", regular, half, 0, 4096},
		{"unaligned offset", direct, page, 1, -int32(unix.EINVAL)},
		{"unaligned length", direct, page[:100], 0, -int32(unix.EINVAL)},
		{"beyond the largest file", regular, page, 1 << 62, -int32(unix.EFBIG)},
		{"no room", file(t, "/dev/full", unix.O_WRONLY), page, 0, -int32(unix.ENOSPC)},
		{"more than 4 GiB", file(t, "/dev/null", unix.O_WRONLY), huge, 0, int32(min(len(huge), math.MaxInt32&^(os.Getpagesize()-1)))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.want == whole {
				tt.want = int32(len(tt.p))
			}
			if got := asResult(unix.Pwrite(tt.fd, tt.p, tt.off)); got != tt.want {
				t.Errorf("pwrite returns %d, want %d", got, tt.want)
			}
			r := open(t, 2)
			must(t, r.Write(tt.fd, tt.p, tt.off, 1))
			if got := next(t, r); got != (result{1, tt.want}) {
				t.Errorf("Write: %+v, want result %d", got, tt.want)
			}
			iov := []unix.Iovec{{Base: unsafe.SliceData(tt.p)}}
			iov[0].SetLen(len(tt.p))
			must(t, r.Writev(tt.fd, iov, tt.off, 2))
			if got := next(t, r); got != (result{2, tt.want}) {
				t.Errorf("Writev: %+v, want result %d", got, tt.want)
			}
		})
	}
}

func TestNegativeOffsetIsNotSubmitted(t *testing.T) {
	r := open(t, 2)
	fd := file(t, filepath.Join(t.TempDir(), "file"), unix.O_RDWR|unix.O_CREAT)
	for _, off := range []int64{-1, -4096, math.MinInt64} {
		if err := r.Write(fd, make([]byte, 10), off, 1); !errors.Is(err, unix.EINVAL) {
			t.Errorf("Write at %d: %v, want EINVAL", off, err)
		}
		if err := r.Writev(fd, make([]unix.Iovec, 1), off, 1); !errors.Is(err, unix.EINVAL) {
			t.Errorf("Writev at %d: %v, want EINVAL", off, err)
		}
	}
	none(t, r)
	var st unix.Stat_t
	if must(t, unix.Fstat(fd, &st)); st.Size != 0 {
		t.Errorf("the file has %d bytes", st.Size)
	}
}

func TestKernelReadsWhatWasAsked(t *testing.T) {
	var got submission
	f := newFake(t, 2, &fake{enter: func(f *fake, submit, _, _ uint32) (int, unix.Errno) {
		got = f.take()
		f.post(got.userData, 0)
		return int(submit), 0
	}})
	p, iov := make([]byte, 100), make([]unix.Iovec, 3)
	addr := func(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }
	for _, tt := range []struct {
		name   string
		submit func() error
		want   submission
	}{
		{"Write", func() error { return f.Write(5, p, 1<<40, math.MaxUint64) },
			submission{opcode: 23, fd: 5, off: 1 << 40, addr: addr(unsafe.Pointer(&p[0])), len: 100, userData: math.MaxUint64}},
		{"Writev", func() error { return f.Writev(6, iov, math.MaxInt64, 9) },
			submission{opcode: 2, fd: 6, off: math.MaxInt64, addr: addr(unsafe.Pointer(&iov[0])), len: 3, userData: 9}},
		{"Nop", func() error { return f.Nop(0) }, submission{opcode: 0, fd: -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			must(t, tt.submit())
			next(t, f.Ring)
			if got != tt.want {
				t.Errorf("the kernel reads\n%+v, want\n%+v", got, tt.want)
			}
		})
	}
}

func TestResultIsNotInterpreted(t *testing.T) {
	for _, res := range []int32{0, 1, 4095, math.MaxInt32, -int32(unix.EAGAIN), -int32(unix.ECANCELED), -int32(unix.EINTR), -int32(unix.EIO), math.MinInt32} {
		t.Run(fmt.Sprint(res), func(t *testing.T) {
			f := newFake(t, 1, &fake{enter: complete(res)})
			must(t, f.Write(0, make([]byte, 4096), 0, 1))
			if got := next(t, f.Ring); got != (result{1, res}) {
				t.Errorf("completion %+v, want result %d", got, res)
			}
			none(t, f.Ring)
		})
	}
}

const pipeBytes = 1 << 16

// fullPipe returns a pipe that takes no byte until one was read.
func fullPipe(t *testing.T) (r, w int) {
	t.Helper()
	var fds [2]int
	must(t, unix.Pipe2(fds[:], unix.O_CLOEXEC))
	t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
	_, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeBytes)
	must(t, err)
	n, err := unix.Write(fds[1], make([]byte, pipeBytes))
	if must(t, err); n != pipeBytes {
		t.Fatalf("a pipe takes %d bytes, want %d", n, pipeBytes)
	}
	return fds[0], fds[1]
}

// onThread runs do on a thread which ends before onThread returns.
func onThread(t *testing.T, do func() error) {
	t.Helper()
	type end struct {
		tid int
		err error
	}
	ended := make(chan end)
	var start func()
	start = func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			done := make(chan struct{}) // the main thread does not end
			go func() { start(); close(done) }()
			<-done
			return
		}
		err := do()
		ended <- end{unix.Gettid(), err}
	}
	go start()
	e := <-ended
	must(t, e.err)
	for {
		if err := unix.Tgkill(unix.Getpid(), e.tid, 0); err == unix.ESRCH {
			return
		}
		runtime.Gosched()
	}
}

// A submission that waits for its file to be ready outlives the thread that submitted
// it, and is cancelled when the file is ready.
func TestThreadThatExitsCancelsWhatWaits(t *testing.T) {
	r := open(t, 8)
	pr, pw := fullPipe(t)
	p := make([]byte, 100)
	onThread(t, func() error {
		var errs []error
		for tag := range uint64(4) {
			errs = append(errs, r.Write(pw, p, 0, tag))
		}
		return errors.Join(errs...)
	})
	if tag, res, ok := r.Reap(); ok {
		t.Errorf("before the pipe was read: tag %d, result %d", tag, res)
	}
	_, err := unix.Read(pr, make([]byte, pipeBytes))
	must(t, err)
	seen := map[uint64]bool{}
	for range 4 {
		got := next(t, r)
		if got.res != -int32(unix.ECANCELED) || seen[got.tag] {
			t.Errorf("completion %+v, want result %d (ECANCELED), each tag once", got, -int32(unix.ECANCELED))
		}
		seen[got.tag] = true
	}
	none(t, r)
	submitAndReap(t, r, 100, 8) // from threads that live
}

func TestThreadThatExitsLosesNoCompletion(t *testing.T) {
	const n = 16
	dir := testenv.DirectDir(t)
	p := mapped(t, n<<12, unix.PROT_READ|unix.PROT_WRITE)
	for i := range p {
		p[i] = byte(i>>12) + 1
	}
	for _, tt := range []struct {
		name  string
		bytes int64 // length of the file before the write
	}{{"within the file", n << 12}, {"beyond its end", 0}} {
		t.Run(tt.name, func(t *testing.T) {
			r := open(t, n)
			name := filepath.Join(dir, tt.name)
			fd := file(t, name, unix.O_RDWR|unix.O_CREAT|unix.O_DIRECT)
			if tt.bytes > 0 {
				must(t, unix.Fallocate(fd, 0, 0, tt.bytes))
			}
			onThread(t, func() error {
				var errs []error
				for tag := range n {
					errs = append(errs, r.Write(fd, p[tag<<12:][:4096], int64(tag<<12), uint64(tag)))
				}
				return errors.Join(errs...)
			})
			cancelled := 0
			for range n {
				switch got := next(t, r); got.res {
				case 4096:
				case -int32(unix.ECANCELED): // the kernel had handed it to a worker of the thread
					cancelled++
					_, err := unix.Pwrite(fd, p[got.tag<<12:][:4096], int64(got.tag<<12))
					must(t, err)
				default:
					t.Errorf("completion %+v", got)
				}
			}
			t.Logf("%d of %d were cancelled", cancelled, n)
			none(t, r)
			if !bytes.Equal(testenv.Media(t, name), p) {
				t.Error("the file does not hold what was written")
			}
		})
	}
}

// limitBytes is the limit of RLIMIT_FSIZE in a child.
const limitBytes = 3 << 12

func TestWriteAtTheLimitIsShort(t *testing.T) {
	limit(t)
	dir := testenv.DirectDir(t)
	for _, flags := range []int{0, unix.O_DIRECT} {
		runChild(t, "limited file size", dir, strconv.Itoa(flags))
	}
}

func childLimitedFileSize(args []string) error {
	signal.Ignore(unix.SIGXFSZ)
	flags, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	fd, err := unix.Open(filepath.Join(args[0], "limited"+args[1]), unix.O_RDWR|unix.O_CREAT|flags, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limitBytes, Max: limitBytes}); err != nil {
		return err
	}
	p, err := unix.Mmap(-1, 0, 2*limitBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	r, err := New(2)
	if err != nil {
		return fmt.Errorf("%w: io_uring: %w", errMissing, err)
	}
	for i, tt := range []struct {
		off  int64
		want int32
	}{{0, limitBytes}, {4096, limitBytes - 4096}, {limitBytes, -int32(unix.EFBIG)}} {
		if err := errors.Join(r.Write(fd, p, tt.off, uint64(i)), r.Wait()); err != nil {
			return err
		}
		if tag, res, ok := r.Reap(); !ok || tag != uint64(i) || res != tt.want {
			return fmt.Errorf("%d bytes at %d, limit %d: tag %d, result %d, %v; want result %d", len(p), tt.off, limitBytes, tag, res, ok, tt.want)
		}
	}
	return r.Close()
}
