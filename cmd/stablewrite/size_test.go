package main

import "testing"

func TestSize(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "4096": 4096, "4k": 4096, "4K": 4096, "4KiB": 4096, "4kb": 4096, "1MiB": 1 << 20, "1m": 1 << 20, " 1 MiB ": 1 << 20, "1G": 1 << 30,
	} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q = %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "k", "-1", "1.5M", "4kk", "4x", "99999999999999999999", "3G"} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q = %d", text, s)
		}
	}
	for s, want := range map[size]string{0: "0", 512: "512", 4096: "4KiB", 1 << 20: "1MiB", 1<<20 + 4096: "1028KiB"} {
		if got := s.String(); got != want {
			t.Errorf("%d = %q, want %q", int(s), got, want)
		}
	}
}
