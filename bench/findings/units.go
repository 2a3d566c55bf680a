package findings

import (
	"fmt"
	"slices"
	"strings"
)

// Size is "4k", "1M", or a number of bytes.
func Size(bytes int) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return fmt.Sprintf("%dM", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%dk", bytes>>10)
	}
	return fmt.Sprint(bytes)
}

// Percent is a share as "0.1%", "50%".
func Percent(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", 100*share), "0"), ".") + "%"
}

// nanoseconds is a time with three digits and its unit; "-" if ns is 0.
func nanoseconds(ns float64) string {
	if ns == 0 {
		return "-"
	}
	unit := "ns"
	for _, larger := range []string{"µs", "ms", "s"} {
		if ns < 999.5 {
			break
		}
		ns, unit = ns/1000, larger
	}
	if ns >= 100 {
		return fmt.Sprintf("%.0f %s", ns, unit)
	}
	return fmt.Sprintf("%.3g %s", ns, unit)
}

// ratioText has fewer decimals for large ratios.
func ratioText(v float64) string {
	decimals := 2
	switch {
	case v >= 100:
		decimals = 0
	case v >= 10:
		decimals = 1
	}
	return fmt.Sprintf("%.*f", decimals, v)
}

// extent is "0.78 to 1.00", from the least to the most of values, or one number where
// both have the same text; "-" if there are no values.
func extent(text func(float64) string, values []float64) string {
	if values == nil {
		return "-"
	}
	a, b := text(slices.Min(values)), text(slices.Max(values))
	if a == b {
		return a
	}
	return a + " to " + b
}

// series is "a", "a and b", "a, b and c".
func series(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
