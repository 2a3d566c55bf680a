package crcguard_test

import (
	"slices"
	"testing"

	"stablepages/crcguard"
)

func FuzzSums(f *testing.F) {
	f.Add([]byte("stable"), []byte("pages"), uint16(512))
	f.Add(make([]byte, 9000), []byte{}, uint16(4095))
	f.Add(make([]byte, 66*crcguard.BlockSize), []byte("pages"), uint16(1))
	f.Fuzz(func(t *testing.T, a, b []byte, off uint16) {
		p := append(slices.Clone(a), b...)
		eachKernel(func() {
			equal(t, p, make([]byte, len(p)), int64(off), newReferenceAt(p, int64(off)))
			if got, want := crcguard.Combine(crcguard.Checksum(a), crcguard.Checksum(b), int64(len(b))), crcguard.Checksum(p); got != want {
				t.Errorf("Combine = %#x, want %#x", got, want)
			}
			if got, want := crcguard.Update(crcguard.Checksum(a), b), crcguard.Checksum(p); got != want {
				t.Errorf("Update = %#x, want %#x", got, want)
			}
		})
	})
}

func FuzzGuard(f *testing.F) {
	f.Add(make([]byte, 9000), uint32(4096), byte(1), uint16(512))
	f.Fuzz(func(t *testing.T, p []byte, at uint32, flip byte, off uint16) {
		if len(p) == 0 {
			return
		}
		eachKernel(func() {
			var g crcguard.Guard
			g.ArmAt(p, int64(off))
			p := slices.Clone(p)
			i := int(at) % len(p)
			p[i] ^= flip
			got := g.AppendChanged(nil, p)
			switch {
			case flip == 0 && len(got) != 0:
				t.Errorf("nothing changed: %v", got)
			case flip != 0 && (len(got) != 1 || i < got[0].Off || i >= got[0].Off+got[0].Len):
				t.Errorf("byte %d changed: %v", i, got)
			}
		})
	})
}
