package mutator

import (
	"fmt"
	"slices"
	"time"
)

// Kind says how a mutator changes the buffer. The zero value is None. Its text is its
// name, for flag.TextVar.
type Kind uint8

const (
	None    Kind = iota // nothing
	Stock               // the whole buffer, the next letter each second: 2011
	Storm               // the whole buffer, over and over
	Flip                // one random bit, stays
	ABA                 // one random block, restored after the hold
	CRCPage             // every page anew, each ending in its own CRC-32C
	Once                // one random bit, once per write
	Hint                // one bit per 8 KiB page, never cleared
)

// pace is the pause of a free-running mutator between small changes: short enough for
// several changes within any write, long enough to leave memory bandwidth to the
// writer.
const pace = 20 * time.Microsecond

// kinds is the table of all mutators.
var kinds = [...]struct {
	name, about string
	fill        func(buf []byte, write uint64) // the writer's content; write 0 is before the first
	keeps       bool                           // the writer fills the buffer only before the first write
	restores    bool                           // the mutator undoes its changes
	new         func(*buffer) func()
	pause       time.Duration // free-running: after each change
}{
	None:    {name: "none", about: "nothing changes", fill: fillNumber},
	Stock:   {name: "stock", about: "the whole buffer, the next letter each second (the 2011 program)", fill: fillLetter, new: stock, pause: time.Second},
	Storm:   {name: "storm", about: "the whole buffer, over and over", fill: fillNumber, new: storm},
	Flip:    {name: "flip", about: "one random bit, stays", fill: fillNumber, new: flip, pause: pace},
	ABA:     {name: "aba", about: "one random block changed, restored after --hold", fill: fillLetter, keeps: true, restores: true, new: aba, pause: pace},
	CRCPage: {name: "crcpage", about: "every 4 KiB page rewritten with content that ends in its own CRC-32C", fill: fillStamped, keeps: true, new: crcPage},
	Once:    {name: "once", about: "one random bit, once per write (free-running: at most once)", fill: fillNumber, new: flip},
	Hint:    {name: "hint", about: "one bit set per 8 KiB page, never cleared (a database's hint bits)", fill: fillNumber, new: hint, pause: pace},
}

// Kinds lists every Kind.
func Kinds() (all []Kind) {
	for i := range kinds {
		all = append(all, Kind(i))
	}
	return all
}

// String returns the name of k.
func (k Kind) String() string {
	if int(k) >= len(kinds) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kinds[k].name
}

// About describes k in a line.
func (k Kind) About() string { return kinds[k].about }

// Restores reports whether k undoes its changes: A-B-A.
func (k Kind) Restores() bool { return kinds[k].restores }

// SelfSummed reports whether the pages that k writes end in their own CRC-32C: all such
// pages have the same CRC-32C.
func (k Kind) SelfSummed() bool { return k == CRCPage }

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(text []byte) error { return parse(k, "mutator", text, Kinds()) }

// parse sets v to the value in all whose name is text.
func parse[T fmt.Stringer](v *T, what string, text []byte, all []T) error {
	i := slices.IndexFunc(all, func(value T) bool { return value.String() == string(text) })
	if i < 0 {
		return fmt.Errorf("unknown %s %q: there are %v", what, text, all)
	}
	*v = all[i]
	return nil
}
