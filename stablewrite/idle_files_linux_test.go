package stablewrite

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// inMemory returns the bytes that the Go heap and the Pool of the process hold.
func inMemory() int {
	runtime.GC()
	runtime.GC() // what a sync.Pool kept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, mapped, _ := processPool.use()
	return int(m.HeapAlloc+m.StackInuse) + mapped
}

// 300 open Files that do nothing hold less than 4 MiB together; so do they after each
// has written.
func TestIdleFilesHoldLittle(t *testing.T) {
	if !alone(t) {
		return
	}
	defer watch(t.Name(), time.Minute)()
	const files, size, most = 300, 1 << 20, 4 << 20
	dir := testenv.DirectDir(t)
	p := random(1, size)
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, fmt.Sprint(i)), size); err != nil {
			t.Fatal(err)
		}
	}
	before := inMemory()
	var all []*File
	for i := range files {
		all = append(all, opened(t, filepath.Join(dir, fmt.Sprint(i)), Options{Strategy: Strategies()[i%len(Strategies())]}))
	}
	idle := inMemory() - before
	for _, f := range all {
		if _, err := f.WriteAt(p, 0); err != nil {
			t.Fatal(err)
		}
	}
	wrote := inMemory() - before
	t.Logf("%d Files hold %d KiB idle, %d KiB after a write of 1 MiB each", files, idle>>10, wrote>>10)
	if idle >= most || wrote >= most {
		t.Errorf("%d Files hold %d bytes idle and %d after each wrote, of at most %d", files, idle, wrote, most)
	}
	runtime.KeepAlive(all)
	runtime.KeepAlive(p)
}
