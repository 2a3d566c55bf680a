package stablewrite

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"stablepages/crcguard"
)

// A failed write does not change the sums of blocks that did not land: Sums may be a part
// of a table that the caller uses.
func TestSumsOfWhatDidNotLandStay(t *testing.T) {
	t.Parallel()
	defer watch(t.Name(), time.Minute)()
	const blocks, old = 16, 0xabad1dea
	die := func(p []byte) (int, error) { panic("device") }
	refuse := func(p []byte) (int, error) { return 0, syscall.ENOSPC }
	half := func(p []byte) (int, error) { return len(p) / 2, syscall.ENOSPC }
	memory := random(1, blocks*kib4)
	alter := func(p []byte) (int, error) { p[0]++; return len(p), nil }
	for name, happens := range map[string]func([]byte) (int, error){"panic": die, "ENOSPC": refuse, "a half": half, "a change": alter} {
		for _, s := range []Strategy{Verify, Detect, Bounce, Buffered} {
			if name == "a change" && s != Detect {
				continue
			}
			for bad := range blocks {
				for _, segment := range []int{kib4, 4 * kib4, 0} {
					for _, write := range []func(*File, *Write){
						func(f *File, w *Write) { f.Do(w) },
						func(f *File, w *Write) { q := f.Queue(1); q.Start(w); q.Wait() },
					} {
						for _, off := range []int64{0, 512} {
							d := newDisk(2 * blocks * kib4)
							d.during = func(p []byte, at int64) (int, error) {
								if bad := int64(bad)*kib4 + 512; at <= bad && bad < at+int64(len(p)) {
									return happens(p)
								}
								return len(p), nil
							}
							f := d.file(t, Options{Strategy: s, SegmentBytes: segment})
							w := &Write{Buf: memory, Off: off, Sums: slices.Repeat([]uint32{old}, blocks+3)}
							func() {
								defer func() { recover() }()
								write(f, w)
							}()
							if w.Err == nil {
								t.Fatalf("%v, %s in block %d: no error", s, name, bad)
							}
							landed := crcguard.BlocksAt(off, w.Receipt.N)
							for i, sum := range w.Sums[landed:] {
								if sum != old {
									t.Fatalf("%v, %s in block %d, segments of %d, off %d: %d bytes landed, and the sum of block %d was changed", s, name, bad, segment, off, w.Receipt.N, landed+i)
								}
							}
							d.trueOf(t, w)
						}
					}
				}
			}
		}
	}
}
