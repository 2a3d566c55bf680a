// Command peers times package crcguard beside other implementations, interleaved
// in one process, and prints what each gives and its ratio to the first of its
// table in the same round.
//
// It needs cgo and ISA-L (Debian: libisal-dev). CRCGUARD_KERNEL names the kernel.
package main

import (
	"flag"
	"fmt"
	"hash/crc32"
	"os"
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

// walk is what one core does: src in steps of size, so many times; to dst, around
// and around, if it copies.
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

// steps makes a contender of what is done to each step.
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
	{"read only", readAll},
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
	{"CopyBlocksCold", steps(func(w *walk, dst, src []byte) { crcguard.CopyBlocksColdAt(dst, src, 0, w.sums) })},
}

func main() {
	rounds := flag.Int("rounds", 9, "rounds; the first one more warms up")
	ring := flag.Int("ring", 1<<30, "bytes that the cores walk together where memory is to be cold")
	sizes := flag.String("sizes", "4096,65536,1048576,16777216", "bytes of each step")
	cores := flag.String("cores", "1,2,4", "cores at a time")
	flag.Parse()
	if err := run(*rounds, *ring, numbers(*sizes), numbers(*cores)); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func numbers(list string) (all []int) {
	for _, text := range strings.Split(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			fmt.Fprintf(os.Stderr, "peers: %q is no list of positive numbers\n", list)
			os.Exit(2)
		}
		all = append(all, n)
	}
	return all
}

func run(rounds, ring int, sizes, cores []int) error {
	fmt.Printf("crcguard %s, %d rounds; GB/s of source, and its ratio in the same round with a 95%% interval\n", crcguard.Kernel(), rounds)
	src, err := mapped(ring)
	if err != nil {
		return err
	}
	dst, err := mapped(ring)
	if err != nil {
		return err
	}
	for i := range src {
		src[i], dst[i] = byte(i*i>>7), 1
	}
	for _, n := range cores {
		for _, size := range sizes {
			for _, t := range []struct {
				what       string
				src, dst   int // bytes of each core
				contenders []contender
			}{
				{"sums, hot", size, 0, sums},
				{"sums, cold", ring / n, 0, sums},
				{"copies, hot", size, size, copies},
				{"copies, cold to one buffer", ring / n, size, copies},
				{"copies, cold to cold", ring / n, ring / n, copies},
			} {
				fmt.Printf("\n%s, steps of %d KiB, %d at a time\n", t.what, size>>10, n)
				table(rounds, t.contenders, func(core int) walk {
					w := walk{size: size, sums: make([]uint32, crcguard.Blocks(size)), guard: new(crcguard.Guard)}
					w.src = src[core*(ring/n):][:t.src/size*size]
					if t.dst > 0 {
						w.dst = dst[core*(ring/n):][:t.dst/size*size]
					}
					w.times = max(1, (128<<20)/len(w.src))
					return w
				}, n)
			}
		}
	}
	return nil
}

// mapped is memory of ordinary pages, as a Go program's is unless it asks.
func mapped(n int) ([]byte, error) {
	p, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("memory for %d bytes: %w", n, err)
	}
	return p, nil
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
		ratios := slices.Clone(speeds[i])
		for k := range ratios {
			ratios[k] /= speeds[0][k]
		}
		r, s := summary(ratios), summary(speeds[i])
		fmt.Fprintf(out, "%s\t%.1f\t%.2f\t%.2f to %.2f\t\n", c.name, s.Center/1e9, r.Center, r.Lo, r.Hi)
	}
	out.Flush()
}

func summary(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), 0.95)
}

// race is one contender on so many cores: bytes per second of all of them.
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
