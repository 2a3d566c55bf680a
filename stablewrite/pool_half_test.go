package stablewrite

import (
	"math"
	"testing"
	"time"
)

// A File that has half of the Pool of the process, and more writes that wait for
// memory, holds up no other File.
func TestAFileWithHalfOfThePoolHoldsNobodyUp(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	stuck := newDisk(128 << 20)
	begun, release := make(chan struct{}, 1000), make(chan struct{})
	stuck.during = func(p []byte, _ int64) (int, error) {
		begun <- struct{}{}
		<-release
		return len(p), nil
	}
	a := stuck.file(t, Options{Strategy: Bounce})
	b := newDisk(1<<20).file(t, Options{Strategy: Bounce})
	const writes = 40 // of 1 MiB
	ended := make(chan error, writes)
	for k := range writes {
		go func() {
			_, err := a.WriteAt(AlignedBuffer(1<<20), int64(k)<<20)
			ended <- err
		}()
	}
	for waiting := false; !waiting; time.Sleep(time.Millisecond) {
		processPool.mu.Lock()
		waiting = len(processPool.waiting) > 0
		processPool.mu.Unlock()
	}
	time.Sleep(10 * time.Millisecond)
	if held := a.quota.held; held > DefaultPoolBytes/2 {
		t.Errorf("a File has %d bytes of the Pool", held)
	}
	other := make(chan error, 1)
	go func() {
		_, err := b.WriteAt(AlignedBuffer(1<<20), 0)
		other <- err
	}()
	select {
	case err := <-other:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * time.Second):
		t.Error("another File waits for one whose Device does not answer")
	}
	close(release)
	for range writes {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// A Pool with a huge limit maps only the memory that is used.
func TestAPoolOfAnySizeIsUsed(t *testing.T) {
	pool := NewPool(math.MaxInt)
	f := newDisk(1<<20).file(t, Options{Strategy: Bounce, Pool: pool})
	if _, err := f.WriteAt(random(1, 1<<20), 0); err != nil {
		t.Fatal(err)
	}
	if st := f.Stats(); st.PoolPeak != 1<<20 || st.PoolMapped != hugePage || st.PoolHuge > hugePage {
		t.Errorf("%+v", st)
	}
}
