package stablewrite

import (
	"fmt"
	"testing"
)

// null is a Device that completes at once: only the cost of the software remains.
type null struct{ geo Geometry }

func (d null) WriteAt(p []byte, _ int64) (int, error)   { return len(p), nil }
func (d null) ReadAt(p []byte, _ int64) (int, error)    { return len(p), nil }
func (d null) Size() (int64, error)                     { return 1 << 60, nil }
func (d null) WritePart(p []byte, _ int64) (int, error) { return len(p), nil }
func (d null) Sync() error                              { return nil }
func (d null) Geometry() Geometry                       { return d.geo }
func (d null) Close() error                             { return nil }

var sector = Geometry{MemAlign: 512, OffsetAlign: 512}

func fileOn(b testing.TB, d Device, o Options) *File {
	f, err := NewDevice(d, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// BenchmarkWriteToNothing measures the time of a write without a device. Compare
// strategies with raw.
func BenchmarkWriteToNothing(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20, 16 << 20} {
		for _, s := range Strategies() {
			b.Run(fmt.Sprintf("%dk/%v", size>>10, s), func(b *testing.B) {
				f := fileOn(b, null{sector}, Options{Strategy: s})
				w := Write{Buf: random(1, size)}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := f.Do(&w); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// restless is a null Device that changes one block of some writes in flight.
type restless struct {
	null
	p     []byte
	share int // of 100 writes of p, those that change
	due   int
}

func (d *restless) WriteAt(p []byte, off int64) (int, error) {
	if within(p, d.p) {
		if d.due += d.share; d.due >= 100 {
			d.due -= 100
			p[0]++
		}
	}
	return len(p), nil
}

// BenchmarkAmplification counts the bytes submitted for each byte written, if one
// block of 64 KiB changes in a share of the writes.
func BenchmarkAmplification(b *testing.B) {
	for _, o := range []Options{{}, {Resubmit: Whole}, {Strategy: Bounce}} {
		for _, share := range []int{0, 1, 10, 50, 100} {
			name := o.Strategy.String()
			if o.Resubmit == Whole {
				name += ",whole"
			}
			b.Run(fmt.Sprintf("%s/changed=%d%%", name, share), func(b *testing.B) {
				d := &restless{null: null{sector}, p: random(1, 64<<10), share: share}
				f := fileOn(b, d, o)
				w := Write{Buf: d.p}
				for b.Loop() {
					if err := f.Do(&w); err != nil {
						b.Fatal(err)
					}
				}
				s := f.Stats()
				b.ReportMetric(float64(s.Bytes+s.Resubmitted)/float64(s.Bytes), "amplification")
			})
		}
	}
}

// BenchmarkStreamToNothing measures the time of a Stream without a device.
func BenchmarkStreamToNothing(b *testing.B) {
	p := random(1, 1<<20)
	f := fileOn(b, null{sector}, Options{})
	s := f.StreamAt(0)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
