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

// nanoseconds is a time with three digits and its unit; "-" if nothing was counted.
func nanoseconds(ns float64) string {
	if ns == 0 {
		return "-"
	}
	for _, u := range []struct {
		name string
		ns   float64
	}{{"s", 1e9}, {"ms", 1e6}, {"µs", 1e3}} {
		if ns >= 0.9995*u.ns {
			return digits(ns/u.ns) + " " + u.name
		}
	}
	return digits(ns) + " ns"
}

// digits is v with three of them.
func digits(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// ratioText is shorter where it is large.
func ratioText(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// extent is "0.78 to 1.00", from the least to the most of values, or one number where
// both look the same; "-" if there are none.
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

// signed is a difference.
func signed(v float64) string { return fmt.Sprintf("%+.2f", v) }

// series is "a", "a and b", "a, b and c".
func series(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
