//go:build amd64

package watch

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// enumerators returns the constants of the first enumeration that has no name and has
// the named constant. types are the kernel's, as in /sys/kernel/btf/vmlinux
// (Documentation/bpf/btf.rst). The library that reads types finds them by name only; to
// make it read all of them takes a hundred times as long.
func enumerators(types []byte, name string) (map[string]uint32, error) {
	errShort := errors.New("the kernel's types (BTF) are cut short")
	le := binary.LittleEndian
	if len(types) < 24 || le.Uint16(types) != 0xeb9f {
		return nil, errShort
	}
	header := le.Uint32(types[4:])
	section := func(at int) []byte {
		from := uint64(header) + uint64(le.Uint32(types[at:]))
		to := from + uint64(le.Uint32(types[at+4:]))
		if to > uint64(len(types)) {
			return nil
		}
		return types[from:to]
	}
	all, texts := section(8), section(16)
	text := func(at uint32) string {
		if uint64(at) >= uint64(len(texts)) {
			return ""
		}
		s, _, _ := bytes.Cut(texts[at:], []byte{0})
		return string(s)
	}
	const record, kindEnum = 12, 6
	// For each kind: how many bytes follow the record of a type, and how many more for
	// each member.
	follow := map[uint32][2]int{
		1: {4, 0}, 3: {12, 0}, 4: {0, 12}, 5: {0, 12}, kindEnum: {0, 8}, 13: {0, 8}, 14: {4, 0}, 15: {0, 12}, 17: {4, 0}, 19: {0, 12},
	}
	for len(all) >= record {
		info := le.Uint32(all[4:])
		kind, members := info>>24&0x1f, int(info&0xffff)
		size := record + follow[kind][0] + members*follow[kind][1]
		if size > len(all) {
			return nil, errShort
		}
		if kind == kindEnum && text(le.Uint32(all)) == "" {
			values := map[string]uint32{}
			for b := all[record:size]; len(b) > 0; b = b[8:] {
				values[text(le.Uint32(b))] = le.Uint32(b[4:])
			}
			if _, ok := values[name]; ok {
				return values, nil
			}
		}
		all = all[size:]
	}
	return nil, errors.New("the kernel's types (BTF) have no " + name)
}
