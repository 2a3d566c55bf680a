package cost

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

func TestTheLastLevelCacheIsThatOfAllSockets(t *testing.T) {
	dir := t.TempDir()
	cache := func(cpu, index, level, size, shared string) {
		at := filepath.Join(dir, cpu, "cache", index)
		if err := os.MkdirAll(at, 0o777); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"level": level, "size": size, "shared_cpu_list": shared} {
			if err := os.WriteFile(filepath.Join(at, name), []byte(text+"\n"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, cpu := range []string{"cpu0", "cpu1", "cpu2"} {
		cache(cpu, "index0", "1", "48K", cpu)
		cache(cpu, "index2", "2", "2048K", cpu)
	}
	cache("cpu0", "index3", "3", "32768K", "0-1")
	cache("cpu1", "index3", "3", "32768K", "0-1")
	cache("cpu2", "index3", "3", "16384K", "2")
	cache("cpu2", "index4", "nonsense", "1K", "2")
	if got := lastLevelCache(dir); got != 48<<20 {
		t.Errorf("%d bytes", got)
	}
	if got := lastLevelCache(t.TempDir()); got != 0 {
		t.Errorf("of nothing %d bytes", got)
	}
}

func TestBackingIsThatOfTheMapping(t *testing.T) {
	const smaps = `7f0000000000-7f0000100000 rw-p 00000000 00:00 0 
Size:               1024 kB
Rss:                1024 kB
AnonHugePages:         0 kB
VmFlags: rd wr mr
7f0000200000-7f0000400000 rw-p 00000000 00:00 0   [anon: Go: heap]
Rss:                2048 kB
AnonHugePages:      2048 kB
7f0000400000-7f0000800000 rw-p 00000000 00:00 0
Rss:                4096 kB
AnonHugePages:      2048 kB
7f0000800000-7f0000900000 rw-p 00000000 00:00 0
Rss:                   0 kB
`
	page := fmt.Sprint(os.Getpagesize() >> 10)
	for address, want := range map[uint64]string{
		0x7f0000000000: page + "k", 0x7f00000fffff: page + "k", 0x7f0000100000: "", 0x7f0000200000: "huge", 0x7f0000400010: "mixed", 0x7f0000800000: "", 1: "",
	} {
		if got := parseBacking(smaps, address); got != want {
			t.Errorf("%#x: %q, want %q", address, got, want)
		}
	}
}

func TestNoTwoWritersShareABuffer(t *testing.T) {
	for _, cold := range []bool{false, true} {
		m := &memory{area: make([]byte, 100*4096), cold: cold, windows: 1}
		seen := map[*byte]bool{}
		for i, own := range m.buffers(m.area, 8192, 3, 0) {
			if want := map[bool]int{false: 1, true: 16}[cold]; len(own) != want {
				t.Errorf("cold %v: writer %d has %d buffers, want %d", cold, i, len(own), want)
			}
			for _, b := range own {
				p := unsafe.SliceData(b)
				if len(b) != 8192 || cap(b) != 8192 || seen[p] {
					t.Errorf("cold %v: writer %d: %d bytes, capacity %d, seen %v", cold, i, len(b), cap(b), seen[p])
				}
				seen[p] = true
			}
		}
	}
}

func TestColdMemoryIsTwiceTheLastLevelCache(t *testing.T) {
	cache := lastLevelCache("/sys/devices/system/cpu")
	m, err := newMemory(4096, 9, true, false)
	switch {
	case cache == 0:
		if err == nil {
			t.Error("memory is cold where the cache is not known")
		}
	case err != nil:
		if !strings.Contains(err.Error(), "too much") || 2*cache <= availableMemory()/2 {
			t.Error(err)
		}
	case int64(len(m.area)) < 2*cache:
		t.Errorf("%d bytes, and the cache has %d", len(m.area), cache)
	}
	if _, err := newMemory(1<<60, 9, false, false); err == nil {
		t.Error("memory that is not there is no error")
	}
}

func TestMemoryIsOfThePagesThatWereAskedFor(t *testing.T) {
	m, err := newMemory(1<<20, 9, false, true)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	if got, want := backingOf(m.area), fmt.Sprintf("%dk", os.Getpagesize()>>10); got != want {
		t.Errorf("small pages: %q", got)
	}
	how, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || strings.Contains(string(how), "[never]") {
		testenv.Missing(t, "huge pages")
	}
	if got := backingOf(m.huge); got != "huge" && got != "mixed" { // where memory is short the kernel gives fewer
		t.Errorf("huge pages: %q", got)
	}
	if len(m.huge) != len(m.area) || address(m.huge)%(2<<20) != 0 {
		t.Errorf("%d bytes at %#x, want %d", len(m.huge), address(m.huge), len(m.area))
	}
}

func TestEachRoundHasMemoryOfItsOwn(t *testing.T) {
	m, err := newMemory(1<<20, 9, false, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4096, 1 << 20} {
		seen := map[*byte]bool{}
		for window := range 9 {
			own := m.buffers(m.area, size, 1, window)[0]
			if p := unsafe.SliceData(own[0]); len(own) != 1 || len(own[0]) != size || seen[p] {
				t.Errorf("window %d: %d buffers of %d bytes, seen %v", window, len(own), len(own[0]), seen[p])
			} else {
				seen[p] = true
			}
		}
	}
	// Without room for so many windows they overlap, and stay in the area.
	large, err := newMemory(placesBytes/2, 9, false, false)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(large.area); n > placesBytes || n < placesBytes/2 {
		t.Errorf("%d bytes", n)
	}
	for window := range 9 {
		large.buffers(large.area, placesBytes/4, 2, window)
	}
}

// A writer begins behind the buffers that the previous writer left in the cache.
func TestAColdWalkGoesOnInTheNextCell(t *testing.T) {
	m := &memory{area: make([]byte, 64<<20), copies: make([]byte, 2<<20), cold: true, windows: 1}
	r := &run{Plan: nullPlan(), region: regionBytes, mem: m, next: make([]int, 2)}
	r.Cold, r.Time = true, 0
	g := group{size: 1 << 20, depth: 2}
	for i, want := range []int{0, 2, 4} { // a lap to warm up and the one that is timed are of one write each
		c, err := newCell(r, g, writer{stablewrite.Raw, ""})
		if err != nil {
			t.Fatal(err)
		}
		if at := *c.lanes[1].next; at != want {
			t.Errorf("cell %d begins at buffer %d, want %d", i, at, want)
		}
		if _, err := c.time(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		c.close()
	}
}
