package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// size is a number of bytes as a flag: "4096", "4k", "1MiB". Units are powers
// of 1024, whatever their spelling.
type size int

var _ pflag.Value = (*size)(nil)

// maxSize is well below what Linux writes in one call (2 GiB less a page).
const maxSize = 1 << 30

var units = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func (s size) String() string {
	for _, u := range units {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.Itoa(int(s))
}

func (s *size) Set(text string) error {
	digits, unit := text, int64(1)
	low := strings.ToLower(strings.TrimSpace(text))
	for _, u := range units {
		name := strings.ToLower(u.name)
		for _, suffix := range []string{name, name[:1] + "b", name[:1]} {
			if rest, ok := strings.CutSuffix(low, suffix); ok && unit == 1 {
				digits, unit = strings.TrimSpace(rest), u.bytes
			}
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > maxSize/unit {
		return fmt.Errorf("%q is not a size up to 1GiB such as 4096, 64k or 1MiB", text)
	}
	*s = size(n * unit)
	return nil
}

func (s *size) Type() string { return "size" }
