package stablewrite

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

// The benchmarks below give constants of the package. They print ratios of
// interleaved rounds and need a quiet machine:
//
//	go test -run '^$' -bench 'Segments|Scattered|Bounce' -benchtime 3x ./stablewrite

const benchRegion = 64 << 20

// benchFile is the name of a file of benchRegion bytes that can be written directly.
func benchFile(b *testing.B) string {
	b.Helper()
	name := filepath.Join(testenv.DirectDir(b), "f")
	if err := os.WriteFile(name, random(1, benchRegion), 0o600); err != nil {
		b.Fatal(err)
	}
	return name
}

func openBench(b *testing.B, name string, o Options) *File {
	b.Helper()
	f, err := Open(name, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return f
}

// smallPages returns memory in 4 KiB pages, as most programs have.
func smallPages(b *testing.B, n int) []byte {
	b.Helper()
	p, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Munmap(p) })
	_ = unix.Madvise(p, unix.MADV_NOHUGEPAGE)
	copy(p, random(2, n))
	return p
}

// rival is a File and the Writes that go to it.
type rival struct {
	name   string
	f      *File
	writes []Write // in flight at a time: one by Do, more by a Queue
}

// compete runs all rivals in turn, round after round. It prints the throughput of each
// relative to the first in the same round, and the processor time.
func compete(b *testing.B, rivals []rival) {
	const rounds, each = 7, 100 * time.Millisecond
	ratios, cpu := make([][]float64, len(rivals)), make([]float64, len(rivals))
	for range b.N {
		for round := range rounds {
			speeds := make([]float64, len(rivals))
			for i := range rivals {
				k := (i + round) % len(rivals)
				before := processorTime()
				speeds[k] = rivals[k].overwrite(b, each)
				cpu[k] += (processorTime() - before).Seconds()
			}
			for k := range rivals {
				ratios[k] = append(ratios[k], speeds[k]/speeds[0])
			}
		}
	}
	for k, r := range rivals {
		slices.Sort(ratios[k])
		n := len(ratios[k])
		s := r.f.Stats()
		fmt.Printf("%-40s %.2f of %s, quartiles %.2f and %.2f, n=%d; %.3f s/GiB; a write: %.1f submissions, %.2f of its bytes\n", r.name, ratios[k][n/2], rivals[0].name,
			ratios[k][n/4], ratios[k][3*n/4], n, cpu[k]/float64(s.Bytes)*(1<<30), float64(s.Submissions)/float64(s.Writes), float64(s.Bytes+s.Resubmitted)/float64(s.Bytes))
	}
}

// processorTime returns the user and system time of the process.
func processorTime() time.Duration {
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &ru) // which cannot fail
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// overwrite writes for a time, over and over in benchRegion, and returns bytes a
// second.
func (r rival) overwrite(b *testing.B, d time.Duration) float64 {
	began, bytes := time.Now(), int64(0)
	next := func(w *Write) *Write {
		w.Off = bytes % benchRegion
		bytes += int64(len(w.Buf))
		return w
	}
	if len(r.writes) == 1 {
		for time.Since(began) < d {
			if err := r.f.Do(next(&r.writes[0])); err != nil {
				b.Fatal(err)
			}
		}
		return float64(bytes) / time.Since(began).Seconds()
	}
	q := r.f.Queue(len(r.writes))
	defer q.Close()
	for i := range r.writes {
		if err := q.Start(next(&r.writes[i])); err != nil {
			b.Fatal(err)
		}
	}
	for w := range q.Drain() {
		if w.Err != nil {
			b.Fatal(w.Err)
		}
		if time.Since(began) < d {
			if err := q.Start(next(w)); err != nil {
				b.Fatal(err)
			}
		}
	}
	return float64(bytes) / time.Since(began).Seconds()
}

// BenchmarkSegments gives DefaultSegmentBytes and windowSegments.
func BenchmarkSegments(b *testing.B) {
	name := benchFile(b)
	file := func(s Strategy, segment, window int) *File {
		f := openBench(b, name, Options{Strategy: s, SegmentBytes: segment})
		f.window = window
		return f
	}
	p := smallPages(b, 16<<20)
	for _, size := range []int{512 << 10, 1 << 20, 4 << 20, 16 << 20} {
		b.Run(fmt.Sprintf("%dk", size>>10), func(b *testing.B) {
			rivals := []rival{{"raw", file(Raw, 0, 1), []Write{{Buf: p[:size]}}}}
			for _, s := range []Strategy{Verify, Bounce} {
				for _, segment := range []int{128 << 10, 256 << 10, 512 << 10, 1 << 20, 16 << 20} {
					for _, window := range []int{1, 2, 4, 8} {
						count := (size + segment - 1) / segment
						if segment == 16<<20 && window > 1 || segment < 16<<20 && (window == 1 || window > max(2, count) || count == 1) {
							continue
						}
						rivals = append(rivals, rival{fmt.Sprintf("%v, segments of %dk, %d at a time", s, min(segment, size)>>10, window), file(s, segment, window), []Write{{Buf: p[:size]}}})
					}
				}
			}
			compete(b, rivals)
		})
	}
}

// scattered changes bits in p after a write of p landed: one in a 4 KiB block, none in
// the gap bytes that follow, and so on. A gap of 4096 is like a database's hint bits.
type scattered struct {
	Device
	p   []byte
	gap int
}

func (d *scattered) WriteAt(p []byte, off int64) (int, error) {
	n, err := d.Device.WriteAt(p, off)
	if within(p, d.p) {
		for i := 0; i < len(p); i += crcguard.BlockSize + d.gap {
			p[i] ^= 1
		}
	}
	return n, err
}

func (d *scattered) Size() (int64, error) { return benchRegion, nil }
func (d *scattered) Close() error         { return nil }

// BenchmarkScattered gives joinGap: in writes of 1 MiB blocks change that are a gap
// apart, and are resubmitted alone or together.
func BenchmarkScattered(b *testing.B) {
	name := benchFile(b)
	for _, gap := range []int{4 << 10, 12 << 10, 28 << 10, 60 << 10, 124 << 10} {
		b.Run(fmt.Sprintf("%dk", gap>>10), func(b *testing.B) {
			var rivals []rival
			for _, join := range []int{0, gap} {
				p := smallPages(b, 1<<20)
				f := fileOn(b, &scattered{openBench(b, name, Options{}).dev, p, gap}, Options{})
				f.gap = join
				rivals = append(rivals, rival{map[bool]string{true: "alone", false: "together"}[join == 0], f, []Write{{Buf: p}}})
			}
			compete(b, rivals)
		})
	}
}

// BenchmarkBounce gives coldCopy: it writes under Bounce with copies that go through the
// caches or past them, to a file, 1 and 16 at a time, and to a null Device.
func BenchmarkBounce(b *testing.B) {
	name := benchFile(b)
	p := smallPages(b, 16<<20)
	for _, to := range []string{"file", "nothing"} {
		for _, depth := range []int{1, 16} {
			for size := 4 << 10; size <= 1<<20 && !(to == "nothing" && depth > 1); size *= 2 {
				b.Run(fmt.Sprintf("%s/%d/%dk", to, depth, size>>10), func(b *testing.B) {
					rivalOf := func(name string, f *File, copies func(dst, src []byte, off int64, sums []uint32) uint32) rival {
						r := rival{name, f, make([]Write, depth)}
						for i := range r.writes {
							w := &r.writes[i]
							if w.Buf = p[i*size:][:size]; copies == nil {
								continue
							}
							if err := f.Do(w); err != nil {
								b.Fatal(err)
							}
							for _, s := range w.state.window {
								s.copies = copies
							}
						}
						return r
					}
					file := func(s Strategy) *File {
						if to == "file" {
							return openBench(b, name, Options{Strategy: s})
						}
						return fileOn(b, null{sector}, Options{Strategy: s})
					}
					compete(b, []rival{rivalOf("raw", file(Raw), nil), rivalOf("cached", file(Bounce), crcguard.CopyBlocksAt), rivalOf("cold", file(Bounce), crcguard.CopyBlocksColdAt)})
				})
			}
		}
	}
}
