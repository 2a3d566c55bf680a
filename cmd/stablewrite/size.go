package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// size is a number of bytes as a flag: "4096", "4k", "1MiB". All units are powers of 1024.
type size int

// maxSize is well below what Linux writes in one call (2 GiB less a page).
const maxSize = 1 << 30

// units are the powers of 1024.
const units = "KMG"

func (s size) String() string {
	for power := len(units); power > 0 && s != 0; power-- {
		if unit := size(1) << (10 * power); s%unit == 0 {
			return fmt.Sprintf("%d%ciB", s/unit, units[power-1])
		}
	}
	return strconv.Itoa(int(s))
}

// sizeText is a number with a unit: k, kb or kib.
var sizeText = regexp.MustCompile(`^\s*([0-9]+)\s*(?:([KMG])(?:I?B)?)?\s*$`)

func (s size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s *size) UnmarshalText(b []byte) error {
	text := string(b)
	if m := sizeText.FindStringSubmatch(strings.ToUpper(text)); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 64)
		shift := 10 * (strings.Index(units, m[2]) + len(m[2]))
		if err == nil && n <= maxSize>>shift {
			*s = size(n << shift)
			return nil
		}
	}
	return fmt.Errorf("%q is not a size up to 1GiB such as 4096, 64k or 1MiB", text)
}
