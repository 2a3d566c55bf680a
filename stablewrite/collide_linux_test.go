package stablewrite

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// The second half of each page is written directly through a Queue, the first half
// through the page cache, by a Buffered File and by Streams that end within a sector.
// If a direct write of a page were in flight during a cached one, the kernel would fail
// an fsync (EIO), or write back the page with the old bytes of its second half.
func TestDirectAndCachedWritesOfAPageDoNotCollide(t *testing.T) {
	t.Parallel()
	defer watch(t.Name(), time.Minute)()
	const pages = 64
	name := filepath.Join(testenv.DirectDir(t), "f")
	if err := os.WriteFile(name, make([]byte, pages*kib4), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(o Options) *File {
		f, err := Open(name, o)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	direct := open(Options{Strategy: Bounce})
	if direct.geo.OffsetAlign > kib4/2 {
		direct.Close()
		testenv.Missing(t, "a device with sectors of 2048 bytes or fewer")
	}
	var stop atomic.Bool
	var others sync.WaitGroup
	others.Go(func() {
		for i := 0; !stop.Load(); i++ {
			s := direct.StreamAt(int64(i%pages) * kib4)
			s.Write([]byte("a Stream's"))
			if err := s.Close(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	others.Go(func() {
		for i := 0; !stop.Load(); i++ {
			cached := open(Options{Strategy: Buffered})
			for k := range 200 {
				if _, err := cached.WriteAt([]byte("a Buffered File's"), int64((200*i+k)%pages)*kib4+100); err != nil {
					t.Error(err)
				}
			}
			if err := cached.Sync(); err != nil {
				t.Error(err)
			}
			cached.Close()
			time.Sleep(5 * time.Millisecond) // time for direct writes by the ring
		}
	})
	q := direct.Queue(16)
	var last [pages]byte
	start := func(w *Write, n int) {
		for i := range w.Buf {
			w.Buf[i] = byte(n)
		}
		w.Off, last[n%pages] = int64(n%pages)*kib4+kib4/2, byte(n)
		if err := q.Start(w); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for ; n < 16; n++ {
		start(&Write{Buf: AlignedBuffer(kib4 / 2)}, n)
	}
	for began := time.Now(); time.Since(began) < time.Second; n++ {
		w := q.Wait()
		if w.Err != nil {
			t.Fatal(w.Err)
		}
		start(w, n)
	}
	stop.Store(true)
	others.Wait()
	for w := range q.Drain() {
		if w.Err != nil {
			t.Error(w.Err)
		}
	}
	q.Close()
	if err := direct.Sync(); err != nil {
		t.Error(err)
	}
	direct.Close()
	media := testenv.Media(t, name)
	for i := range pages {
		if got := media[i*kib4+kib4/2:][:kib4/2]; !bytes.Equal(got, bytes.Repeat([]byte{last[i]}, kib4/2)) {
			t.Errorf("page %d: an acknowledged write was undone", i)
		}
	}
}
