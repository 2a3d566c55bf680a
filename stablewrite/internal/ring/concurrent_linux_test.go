package ring

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"stablepages/bench/testenv"
)

func TestNopWakesWait(t *testing.T) {
	entered := make(chan struct{}, 1)
	k := linux
	k.enter = func(fd int, submit, complete, flags uint32) (int, unix.Errno) {
		if complete > 0 {
			select {
			case entered <- struct{}{}:
			default:
			}
		}
		return linux.enter(fd, submit, complete, flags)
	}
	r := openWith(t, 2, k)
	for tag := range uint64(20) {
		woken := make(chan error)
		go func() { woken <- r.Wait() }()
		<-entered
		time.Sleep(time.Millisecond) // so that the kernel, most often, waits
		select {
		case err := <-woken:
			t.Fatalf("Wait returned %v with nothing in flight", err)
		default:
		}
		must(t, r.Nop(tag))
		must(t, <-woken)
		if got, res, ok := r.Reap(); !ok || got != tag || res != 0 {
			t.Errorf("reaped tag %d, result %d, %v, want tag %d", got, res, ok, tag)
		}
		for len(entered) > 0 {
			<-entered
		}
	}
}

// A write completes though its thread makes no system call after the submission.
func TestWriteCompletesWhileItsThreadIsBusy(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	r := open(t, 2)
	fd := file(t, filepath.Join(testenv.DirectDir(t), "file"), unix.O_RDWR|unix.O_CREAT|unix.O_DIRECT)
	must(t, unix.Fallocate(fd, 0, 0, 4096))
	p := mapped(t, 4096, unix.PROT_READ|unix.PROT_WRITE)
	for tag := range uint64(50) {
		var completed atomic.Bool
		submitted, spun := make(chan error), make(chan struct{})
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			submitted <- r.Write(fd, p, 0, tag)
			for !completed.Load() {
			}
			close(spun)
		}()
		must(t, <-submitted)
		if got := next(t, r); got != (result{tag, 4096}) {
			t.Errorf("completion %+v", got)
		}
		completed.Store(true)
		<-spun
	}
}

// signals sends SIGURG to every thread of this process until stop is closed.
func signals(stop <-chan struct{}) {
	for {
		threads, _ := os.ReadDir("/proc/self/task")
		for _, thread := range threads {
			if tid, err := strconv.Atoi(thread.Name()); err == nil {
				unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
			}
		}
		select {
		case <-stop:
			return
		case <-time.After(50 * time.Microsecond):
		}
	}
}

// garbage makes the collector run, and stacks move, until stop is closed.
func garbage(stop <-chan struct{}) {
	var deep func(n int) byte
	deep = func(n int) byte {
		var frame [512]byte
		if n > 0 {
			frame[n] = deep(n - 1)
		}
		return frame[n]
	}
	for {
		go deep(100)
		_ = make([]byte, 1<<20)
		runtime.GC()
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// One goroutine waits and reaps, others submit under the same lock, while signals
// interrupt every thread.
func TestWaitRunsBesideSubmissions(t *testing.T) {
	const writers, writes, interruptions = 4, 500, 20
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var interrupted atomic.Int64
	k := linux
	k.enter = func(fd int, submit, complete, flags uint32) (int, unix.Errno) {
		n, errno := linux.enter(fd, submit, complete, flags)
		if errno == unix.EINTR {
			interrupted.Add(1)
		}
		return n, errno
	}
	r := openWith(t, 2, k) // fewer entries than writes in flight
	fd := file(t, filepath.Join(testenv.DirectDir(t), "file"), unix.O_RDWR|unix.O_CREAT|unix.O_DIRECT)
	must(t, unix.Fallocate(fd, 0, 0, writers<<12))
	var (
		lock sync.Mutex
		room = sync.NewCond(&lock)
		done [writers]chan int32
	)
	const end = 1 << 32 // the tag that ends the reaper
	// submit waits for room.
	submit := func(do func() error) error {
		lock.Lock()
		defer lock.Unlock()
		for {
			err := do()
			if err != ErrFull {
				return err
			}
			room.Wait()
		}
	}
	stop := make(chan struct{})
	var beside, reaper, all sync.WaitGroup
	beside.Go(func() { signals(stop) })
	beside.Go(func() { garbage(stop) })
	for i := range done {
		done[i] = make(chan int32, 1)
	}
	p := mapped(t, 4096, unix.PROT_READ|unix.PROT_WRITE)
	reaper.Go(func() {
		for {
			if err := r.Wait(); err != nil {
				t.Error(err)
				return
			}
			lock.Lock()
			for tag, res, ok := r.Reap(); ok; tag, res, ok = r.Reap() {
				if tag == end {
					lock.Unlock()
					return
				}
				done[tag] <- res
			}
			room.Broadcast()
			lock.Unlock()
		}
	})
	for i := range writers {
		all.Go(func() {
			for n := 0; n < writes || interrupted.Load() < interruptions; n++ {
				do, want := func() error { return r.Nop(uint64(i)) }, int32(0)
				if n%2 == 0 {
					do, want = func() error { return r.Write(fd, p, int64(i)<<12, uint64(i)) }, 4096
				}
				if err := submit(do); err != nil {
					t.Error(err)
					return
				}
				// A write whose thread has gone meanwhile may be cancelled.
				if res := <-done[i]; res != want && res != -int32(unix.ECANCELED) {
					t.Errorf("writer %d: result %d, want %d", i, res, want)
				}
			}
		})
	}
	all.Wait()
	close(stop)
	beside.Wait()
	must(t, submit(func() error { return r.Nop(end) }))
	reaper.Wait()
	none(t, r)
	t.Logf("interrupted %d times", interrupted.Load())
}
