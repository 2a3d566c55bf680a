// Command peers times package crcguard beside other implementations, interleaved in one
// process. It prints the throughput of each, and its ratios to the first two lines of its
// table in the same round. For sums these are the fastest of several loops that only read,
// timed just before, and ISA-L.
//
// It needs cgo and ISA-L (Debian: libisal-dev). CRCGUARD_KERNEL names the kernel.
package main

import (
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	klauspost "github.com/klauspost/crc32"
	"golang.org/x/perf/benchmath"
	"golang.org/x/sys/unix"

	"stablepages/crcguard"
)

// walk is the work of one core: it goes through src in steps of size, as often as times
// says. If it copies, it starts again at the start of dst whenever dst is full.
type walk struct {
	src, dst    []byte
	size, times int
	sums        []uint32
	guard       *crcguard.Guard
}

// contender is one implementation.
type contender struct {
	name string
	run  func(walk)
}

// steps returns a contender that does do for each step.
func steps(do func(w *walk, dst, src []byte)) func(walk) {
	return func(w walk) {
		for range w.times {
			for i := 0; i < len(w.src); i += w.size {
				var dst []byte
				if w.dst != nil {
					at := i % len(w.dst)
					dst = w.dst[at : at+w.size]
				}
				do(&w, dst, w.src[i:i+w.size])
			}
		}
	}
}

var (
	standard = crc32.MakeTable(crc32.Castagnoli)
	other    = klauspost.MakeTable(klauspost.Castagnoli)
)

var sums = []contender{
	{"ISA-L crc32_iscsi", isal},
	{"hash/crc32", steps(func(_ *walk, _, src []byte) { crc32.Checksum(src, standard) })},
	{"klauspost/crc32", steps(func(_ *walk, _, src []byte) { klauspost.Checksum(src, other) })},
	{"Checksum", steps(func(_ *walk, _, src []byte) { crcguard.Checksum(src) })},
	{"ChecksumBlocks", steps(func(w *walk, _, src []byte) { crcguard.ChecksumBlocks(src, w.sums) })},
	{"Guard.Arm", steps(func(w *walk, _, src []byte) { w.guard.Arm(src) })},
}

var copies = []contender{
	{"libc memcpy, no sum", memcpy},
	{"copy, hash/crc32", steps(func(_ *walk, dst, src []byte) { crc32.Checksum(dst[:copy(dst, src)], standard) })},
	{"Copy", steps(func(_ *walk, dst, src []byte) { crcguard.Copy(dst, src) })},
	{"CopyBlocks", steps(func(w *walk, dst, src []byte) { crcguard.CopyBlocks(dst, src, w.sums) })},
	{"CopyBlocksColdAt", steps(func(w *walk, dst, src []byte) { crcguard.CopyBlocksColdAt(dst, src, 0, w.sums) })},
}

func main() {
	rounds := flag.Int("rounds", 9, "rounds, at least 6, for intervals; one more warms up")
	ring := flag.Int("ring", 1<<30, "bytes that the cores walk together, for cold memory")
	sizes := flag.String("sizes", "4096,65536,1048576,16777216", "bytes of each step, multiples of 4096")
	cores := flag.String("cores", "1,2,4", "cores at a time; numbers that this machine does not have are left out")
	flag.Parse()
	if flag.NArg() > 0 {
		wrong("unknown argument %q", flag.Arg(0))
	}
	p := plan{*rounds, *ring, numbers(*sizes), numbers(*cores)}
	p.cores = slices.DeleteFunc(p.cores, func(n int) bool { return n > runtime.NumCPU() })
	switch {
	case p.rounds < 6:
		wrong("-rounds must be at least 6")
	case len(p.cores) == 0:
		wrong("-cores: this machine has only %d", runtime.NumCPU())
	case slices.ContainsFunc(p.sizes, func(n int) bool { return n%crcguard.BlockSize != 0 || n > p.ring/slices.Max(p.cores) }):
		wrong("-sizes must be multiples of %d, and fit a core's share of -ring", crcguard.BlockSize)
	}
	if name := os.Getenv("CRCGUARD_KERNEL"); name != "" && name != crcguard.Kernel() {
		wrong("this machine has no kernel %s", name)
	}
	if err := p.run(); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func wrong(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "peers: "+format+"\n", args...)
	os.Exit(2)
}

func numbers(list string) (all []int) {
	for _, text := range strings.Split(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			wrong("%q is not a list of positive numbers", list)
		}
		all = append(all, n)
	}
	return all
}

// plan says what to time.
type plan struct {
	rounds, ring int
	sizes, cores []int
}

func (p plan) run() error {
	fmt.Printf("crcguard %s, %s, %d rounds; GB/s of source, and its ratio to the first and to the second line in the same round, with 95%% intervals\n", crcguard.Kernel(), runtime.Version(), p.rounds)
	src, err := mapped(p.ring)
	if err != nil {
		return err
	}
	dst, err := mapped(p.ring)
	if err != nil {
		return err
	}
	for i := range src {
		src[i], dst[i] = byte(i*i>>7), 1
	}
	for _, n := range p.cores {
		share := p.ring / n / crcguard.BlockSize * crcguard.BlockSize
		for _, size := range p.sizes {
			for _, t := range []struct {
				what       string
				src, dst   int // bytes of each core
				contenders []contender
			}{
				{"sums, hot", size, 0, sums},
				{"sums, cold", share, 0, sums},
				{"copies, hot", size, size, copies},
				{"copies, cold to one buffer", share, size, copies},
				{"copies, cold to cold", share, share, copies},
			} {
				fmt.Printf("\n%s, steps of %d KiB, %d at a time\n", t.what, size>>10, n)
				walkOf := func(core int) walk {
					w := walk{size: size, sums: make([]uint32, crcguard.Blocks(size)), guard: new(crcguard.Guard)}
					w.src = src[core*share:][:t.src/size*size]
					if t.dst > 0 {
						w.dst = dst[core*share:][:t.dst/size*size]
					}
					w.times = max(1, (128<<20)/len(w.src))
					return w
				}
				if t.dst == 0 {
					t.contenders = append([]contender{fastest(readers(), walkOf, n)}, t.contenders...)
				}
				table(p.rounds, t.contenders, walkOf, n)
			}
		}
	}
	return nil
}

// mapped returns memory of 4 KiB pages, even if the system prefers huge pages.
func mapped(n int) ([]byte, error) {
	p, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("memory for %d bytes: %w", n, err)
	}
	_ = unix.Madvise(p, unix.MADV_NOHUGEPAGE) // fails where the kernel knows no huge pages
	return p, nil
}

// fastest returns the contender with the fastest of three rounds.
func fastest(contenders []contender, walkOf func(core int) walk, cores int) (first contender) {
	best := 0.0
	for range 3 {
		for _, c := range contenders {
			if speed := race(c, walkOf, cores); speed > best {
				first, best = c, speed
			}
		}
	}
	return first
}

// table times contenders in rotating order and prints them.
func table(rounds int, contenders []contender, walkOf func(core int) walk, cores int) {
	speeds := make([][]float64, len(contenders))
	for round := range rounds + 1 {
		for i := range contenders {
			i = (i + round) % len(contenders)
			speed := race(contenders[i], walkOf, cores)
			if round > 0 {
				speeds[i] = append(speeds[i], speed)
			}
		}
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, c := range contenders {
		fmt.Fprintf(out, "%s\t%.1f", c.name, summary(speeds[i]).Center/1e9)
		for _, base := range speeds[:2] {
			ratios := slices.Clone(speeds[i])
			for k := range ratios {
				ratios[k] /= base[k]
			}
			r := summary(ratios)
			fmt.Fprintf(out, "\t%.2f\t%.2f to %.2f", r.Center, r.Lo, r.Hi)
		}
		fmt.Fprintln(out, "\t")
	}
	out.Flush()
}

func summary(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), 0.95)
}

// race runs a contender on each core, and returns the bytes per second of all cores.
func race(c contender, walkOf func(core int) walk, cores int) float64 {
	walks := make([]walk, cores)
	total := 0
	for i := range walks {
		walks[i] = walkOf(i)
		total += len(walks[i].src) * walks[i].times
	}
	began := time.Now()
	var wg sync.WaitGroup
	for _, w := range walks {
		wg.Go(func() { c.run(w) })
	}
	wg.Wait()
	return float64(total) / time.Since(began).Seconds()
}
