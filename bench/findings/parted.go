package findings

import (
	"fmt"
	"slices"
)

// each is f of all.
func each[V, R any](all []V, f func(V) R) (found []R) {
	for _, v := range all {
		found = append(found, f(v))
	}
	return found
}

// which are those of all for which so holds.
func which[V any](all []V, so func(V) bool) []V {
	return slices.DeleteFunc(slices.Clone(all), func(v V) bool { return !so(v) })
}

// first is the first of all for which so holds, or nil.
func first[V any](all []V, so func(V) bool) *V {
	if i := slices.IndexFunc(all, so); i >= 0 {
		return &all[i]
	}
	return nil
}

// parted groups all by key, in order of first appearance.
func parted[K comparable, V any](all []V, key func(V) K) (parts [][]V) {
	at := map[K]int{}
	for _, v := range all {
		i, ok := at[key(v)]
		if !ok {
			i, at[key(v)] = len(parts), len(parts)
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], v)
	}
	return parts
}

// said is a sentence about a name.
type said struct{ name, text string }

// together says each text once, in a format of all its names and of the text.
func together(all []said, format string) (lines []string) {
	for _, same := range parted(all, func(s said) string { return s.text }) {
		names := each(same, func(s said) string { return s.name })
		lines = append(lines, fmt.Sprintf(format, series(names), same[0].text))
	}
	return lines
}
