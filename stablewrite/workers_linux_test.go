package stablewrite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// kernelThreads counts the threads that io_uring made for this process.
func kernelThreads() (n int) {
	names, _ := filepath.Glob("/proc/self/task/*/comm")
	for _, name := range names {
		if comm, _ := os.ReadFile(name); strings.HasPrefix(string(comm), "iou-wrk") {
			n++
		}
	}
	return n
}

// Overwrites stay inline: the kernel makes no thread for them. The control is writes into
// a hole, for which it makes threads.
func TestOverwritesNeedNoThreadOfTheKernel(t *testing.T) {
	if !alone(t) {
		return
	}
	defer watch(t.Name(), time.Minute)()
	const region = 32 << 20
	name := filepath.Join(testenv.DirectDir(t), "f")
	if err := os.WriteFile(name, random(1, region), 0o600); err != nil {
		t.Fatal(err)
	}
	testenv.Media(t, name)
	memory := random(1, 8<<20)
	run := func(name string, o Options, size, depth, writes int) (most int) {
		f, err := Open(name, o)
		if err != nil {
			testenv.Missing(t, "%v", err)
		}
		defer f.Close()
		q := f.Queue(depth)
		defer q.Close()
		for i := range writes {
			if i >= depth {
				if w := q.Wait(); w.Err != nil {
					t.Fatal(w.Err)
				}
				most = max(most, kernelThreads())
			}
			starts(t, q, &Write{Buf: memory[:size], Off: int64(i*size) % region})
		}
		drained(t, q)
		if err := f.Do(&Write{Buf: memory}); err != nil {
			t.Fatal(err)
		}
		return max(most, kernelThreads())
	}
	for _, s := range []Strategy{Verify, Bounce} {
		for _, shape := range [][2]int{{1 << 20, 4}, {kib4, 32}} {
			if n := run(name, Options{Strategy: s, Engine: ByRing}, shape[0], shape[1], 150); n > 0 {
				t.Errorf("%v, %d bytes at depth %d: %d threads of the kernel", s, shape[0], shape[1], n)
			}
		}
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, region); err != nil {
		t.Fatal(err)
	}
	if n := run(name, Options{Engine: ByRing}, kib4, 32, 150); n == 0 {
		t.Error("writes into a hole show no thread of the kernel: the test showed nothing")
	}
}

// The same holds on a block device, whose queue limits the bytes of a submission.
func TestOverwritesOfABlockDeviceNeedNoThreadOfTheKernel(t *testing.T) {
	if !alone(t) {
		return
	}
	defer watch(t.Name(), time.Minute)()
	const region = 32 << 20
	dev := testenv.LoopDevice(t, region)
	f, err := Open(dev, Options{Strategy: Bounce, Engine: ByRing})
	if err != nil {
		testenv.Missing(t, "%v", err)
	}
	defer f.Close()
	whole := random(1, region)
	for round := range 3 { // the first one fills holes of the file below
		q := f.Queue(4)
		for at := 0; at < region; at += 1 << 20 {
			starts(t, q, &Write{Buf: whole[at:][:1<<20], Off: int64(at)})
			if n := kernelThreads(); n > 0 && round > 0 {
				t.Fatalf("round %d: %d threads of the kernel", round, n)
			}
		}
		drained(t, q)
		q.Close()
	}
	if _, err := f.WriteAt(whole, 0); err != nil {
		t.Error(err)
	}
	if n := kernelThreads(); n > 0 {
		t.Errorf("%d threads of the kernel", n)
	}
}
