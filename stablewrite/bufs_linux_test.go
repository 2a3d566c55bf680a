package stablewrite

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"stablepages/crcguard"
)

// frames returns n frames that are not contiguous in memory, as those of a page cache,
// and their bytes.
func frames(n int) (bufs [][]byte, all []byte) {
	all = random(uint64(n), n*kib4)
	bufs = make([][]byte, n)
	for i, mem := range Buffers(2*n, kib4)[:n] {
		bufs[n-1-i] = mem // in reverse order
	}
	for i := range bufs {
		copy(bufs[i], block(all, i))
	}
	return bufs, all
}

// A Write of 256 frames lands in order, under every strategy, through Do and a Queue,
// also if its first and last part are not whole blocks. The caller may change the slice
// of frames once the Write is started.
func TestFramesLandInOrder(t *testing.T) {
	const n = 256
	onBothEngines(t, (n+8)*kib4, func(t *testing.T, name string, o Options) {
		for _, s := range []Strategy{Verify, Detect, Bounce, Raw} {
			f := opened(t, name, o.with(s))
			q := f.Queue(2)
			unit := f.geo.OffsetAlign
			for _, odd := range []int{0, unit % kib4, (kib4 - unit) % kib4} {
				bufs, all := frames(n)
				bufs[0], all = bufs[0][odd:], all[odd:]
				cut := 0
				if odd > 0 {
					cut = kib4 - unit
				}
				last := len(bufs) - 1
				bufs[last], all = bufs[last][:kib4-cut], all[:len(all)-cut]
				bufs = append(append(bufs[:7:7], nil, []byte{}), bufs[7:]...) // empty parts
				for name, write := range map[string]func(*Write){
					"Do": func(w *Write) { w.Err = f.Do(w) },
					"Queue": func(w *Write) {
						starts(t, q, w)
						clear(w.Bufs)
						q.Wait()
					},
				} {
					w := &Write{Bufs: append([][]byte(nil), bufs...), Off: kib4 + int64(odd), Sums: make([]uint32, n+1)}
					write(w)
					if w.Err != nil || w.Receipt.N != len(all) {
						t.Fatalf("%v, %s, %d: %v %+v", s, name, odd, w.Err, w.Receipt)
					}
					got := make([]byte, len(all))
					if _, err := f.ReadAt(got, w.Off); err != nil || !bytes.Equal(got, all) {
						t.Errorf("%v, %s, %d: %v, other bytes", s, name, odd, err)
					}
					if s.Sums() && w.Receipt.Sum != crcguard.Checksum(all) {
						t.Errorf("%v, %s, %d: another sum", s, name, odd)
					}
				}
			}
			if n := f.Stats().Unaligned; n > 0 {
				t.Errorf("%v: %d writes were copied", s, n)
			}
			q.Close()
			f.Close()
		}
	})
}

// If some frames change in flight, receipts are true, and Changed says which.
func TestFramesThatChange(t *testing.T) {
	const n = 64
	onBothEngines(t, (n+1)*kib4, func(t *testing.T, name string, o Options) {
		for _, s := range []Strategy{Verify, Bounce} {
			f := opened(t, name, o.with(s))
			q := f.Queue(1)
			moving, seen := movingBuffer(t, n/4*kib4), int64(0)
			bufs, _ := frames(n)
			for i := 0; i < n; i += 4 {
				bufs[i] = block(moving, i/4)
			}
			bufs[0] = bufs[0][512:]
			for round := range 60 {
				w := &Write{Bufs: bufs, Off: 512, Sums: make([]uint32, n)}
				if round%2 == 0 {
					starts(t, q, w)
					q.Wait()
				} else {
					w.Err = f.Do(w)
				}
				if w.Err != nil {
					t.Fatal(w.Err)
				}
				if seen += int64(len(w.Changed)); round < 8 || len(w.Changed) > 0 && round%8 == 0 {
					holds(t, f, w)
				}
				for _, e := range w.Changed {
					for at := e.Off; at < e.Off+e.Len; at += kib4 {
						if (at+512)/kib4%4 != 0 {
							t.Errorf("%v: Changed has byte %d, which did not change", s, at)
						}
					}
				}
			}
			if s == Verify && seen == 0 {
				t.Error("nothing changed in flight: the test showed nothing")
			}
			if busyFile(f) {
				t.Errorf("%v: memory or range leaked", s)
			}
			q.Close()
			f.Close()
		}
	})
}

// A Device that takes no parts gets a copy, which Stats count; under Raw the write is
// refused. Every strategy refuses parts that meet within a block, before anything is
// written.
func TestFramesOnADeviceWithoutGather(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	bufs, all := frames(40)
	rng := rand.New(rand.NewPCG(1, 1))
	for _, s := range Strategies() {
		d := newDisk(64 * kib4)
		f := d.file(t, Options{Strategy: s, SegmentBytes: 8 * kib4})
		was := bytes.Clone(d.media)
		err := f.Do(&Write{Bufs: bufs, Off: kib4})
		switch {
		case s == Raw:
			if !errors.Is(err, ErrUnaligned) || !bytes.Equal(d.media, was) {
				t.Errorf("%v: %v", s, err)
			}
		case err != nil || !bytes.Equal(d.media[kib4:][:len(all)], all):
			t.Errorf("%v: %v, or other bytes", s, err)
		case s != Bounce && s != Buffered && f.Stats().Unaligned != 1:
			t.Errorf("%v: %+v", s, f.Stats())
		}
		if err := f.Do(&Write{Bufs: [][]byte{nil, bufs[3], {}}}); err != nil { // one part
			t.Errorf("%v: %v", s, err)
		}
		was = bytes.Clone(d.media)
		for range 20 {
			at := 512 * (1 + rng.IntN(7))
			bad := [][]byte{bufs[0], bufs[1][:at], bufs[2]}
			if err := f.Do(&Write{Bufs: bad}); !errors.Is(err, ErrUnaligned) {
				t.Errorf("%v: parts that meet at %d: %v", s, at, err)
			}
		}
		if err := f.Do(&Write{Bufs: bufs, Off: 512}); !errors.Is(err, ErrUnaligned) {
			t.Errorf("%v: parts that meet within blocks of the file: %v", s, err)
		}
		if !bytes.Equal(d.media, was) {
			t.Errorf("%v: a refused write changed the media", s)
		}
		if err := errors.Join(f.Do(&Write{Bufs: [][]byte{nil, {}}}), f.Do(&Write{Bufs: [][]byte{}})); err != nil {
			t.Errorf("%v: a Write without bytes: %v", s, err)
		}
		if err := f.Do(&Write{Buf: bufs[0], Bufs: bufs}); err == nil {
			t.Errorf("%v: a Write with Buf and Bufs was accepted", s)
		}
		if busyFile(f) {
			t.Errorf("%v: memory or range leaked", s)
		}
	}
}

// If one frame is not aligned for the device, all are copied; Raw refuses the write.
func TestAFrameThatIsNotAligned(t *testing.T) {
	const n = 32
	onBothEngines(t, n*kib4, func(t *testing.T, name string, o Options) {
		for _, s := range []Strategy{Verify, Detect, Bounce, Raw} {
			f := opened(t, name, o.with(s))
			bufs, all := frames(n)
			bufs[7] = append(make([]byte, 1, kib4+1), bufs[7]...)[1:]
			w := &Write{Bufs: bufs}
			err := f.Do(w)
			if s == Raw {
				if !errors.Is(err, ErrUnaligned) {
					t.Error(err)
				}
				continue
			}
			got := make([]byte, len(all))
			if _, read := f.ReadAt(got, 0); err != nil || read != nil || !bytes.Equal(got, all) || w.Receipt.Sum != crcguard.Checksum(all) {
				t.Errorf("%v: %v, %v, or other bytes", s, err, read)
			}
			f.Close()
		}
	})
}
