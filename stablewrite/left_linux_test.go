package stablewrite

import (
	"testing"
	"time"
)

// A File and a Queue that were used in every way and closed leave no goroutine,
// descriptor, mapping or range behind.
func TestCloseLeavesNothing(t *testing.T) {
	const size = 8 << 20
	onBothEngines(t, size, func(t *testing.T, name string, o Options) {
		o.Pool = NewPool(4 << 20)
		moving := movingBuffer(t, 1<<20)
		use := func() {
			for _, s := range []Strategy{Verify, Detect, Bounce, Raw} {
				f, err := Open(name, o.with(s))
				if err != nil {
					t.Fatal(err)
				}
				q, unused := f.Queue(32), f.Queue(4)
				for k := range 64 {
					buf := moving[k*kib4:][:64<<10]
					if s == Detect {
						buf = AlignedBuffer(64 << 10)
					}
					starts(t, q, &Write{Buf: buf, Off: int64(k%40) * 64 << 10})
				}
				st := f.StreamAt(5 << 20)
				st.Write(make([]byte, 2<<20+17))
				if err := st.Close(); err != nil {
					t.Error(err)
				}
				if s != Detect {
					if err := f.Do(&Write{Buf: moving}); err != nil {
						t.Error(err)
					}
				}
				if err := f.Sync(); err != nil {
					t.Error(err)
				}
				if k := drained(t, q); k == 0 {
					t.Error("nothing came back")
				}
				if err := q.Close(); err != nil {
					t.Error(err)
				}
				unused.Close()
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		use()
		before := nowHeld()
		for range 3 {
			use()
		}
		time.Sleep(5 * time.Millisecond)
		if err := before.leftBehind(); err != nil {
			t.Error(err)
		}
		flyingRings.mu.Lock()
		defer flyingRings.mu.Unlock()
		if n := len(flyingRings.all); n > 0 {
			t.Errorf("%d rings are kept for what they have in flight", n)
		}
	})
}
