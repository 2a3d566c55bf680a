package crcguard

import (
	"bytes"
	"os"
	"testing"
	"unsafe"
)

func TestOnlyLongCopiesAndThoseOfColdSourcesGoPastTheCaches(t *testing.T) {
	p := make([]byte, streamFrom+2*line)
	p = p[-int(uintptr(unsafe.Pointer(&p[0])))&(line-1):]
	for _, tc := range []struct {
		s      stores
		at, n  int
		stream bool
	}{
		{bySize, 0, streamFrom - BlockSize, false},
		{bySize, 0, streamFrom, true},
		{bySize, 1, streamFrom, false},
		{bySize, line / 2, streamFrom, false},
		{cold, 0, BlockSize, true},
		{cold, line / 4, BlockSize, false}, // stores past the caches have to be aligned
	} {
		if got := tc.s.stream(p[tc.at : tc.at+tc.n]); got != tc.stream {
			t.Errorf("policy %d, %d bytes at %d: stream is %v", tc.s, tc.n, tc.at, got)
		}
	}
}

// The result of a copy does not show whether its stores went past the caches.
func TestOnlyStreamingKernelsStorePastTheCaches(t *testing.T) {
	text, err := os.ReadFile("blocks_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	functions := bytes.Split(text, []byte("\nTEXT \xc2\xb7"))[1:]
	if len(functions) != 7 {
		t.Fatalf("%d functions", len(functions))
	}
	for _, f := range functions {
		name, _, _ := bytes.Cut(f, []byte("(SB)"))
		streams := bytes.HasPrefix(name, []byte("stream"))
		if bytes.HasSuffix(name, []byte("AVX512")) != bytes.Contains(f, []byte("VZEROUPPER")) {
			t.Errorf("%s leaves the upper halves of registers to slow down others, or has none", name)
		}
		if bytes.Contains(f, []byte("MOVNT")) != streams || bytes.Contains(f, []byte("SFENCE")) != streams {
			t.Errorf("%s: it streams: %v", name, !streams)
		}
	}
}

// The scheduler cannot interrupt assembly.
func TestACallOfAssemblyTakesAtMost256KiB(t *testing.T) {
	if maxBlocks*BlockSize > 256<<10 {
		t.Errorf("it takes %d bytes", maxBlocks*BlockSize)
	}
}
