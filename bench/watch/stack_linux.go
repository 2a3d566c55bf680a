package watch

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// symbols names the addresses of a stack of a process, the innermost first, by function
// or object and offset. If the process has ended it returns the addresses.
func symbols(pid int, stack []uint64) (lines []string) {
	objects := map[string][]elf.Symbol{}
	maps := readMaps(pid)
	for _, pc := range stack {
		if pc == 0 {
			break
		}
		line := fmt.Sprintf("%#x", pc)
		for _, m := range maps {
			if pc < m.from || pc >= m.to {
				continue
			}
			at := pc - m.from + m.offset
			line = fmt.Sprintf("%s+%#x", filepath.Base(m.name), at)
			if _, ok := objects[m.name]; !ok {
				objects[m.name] = functions(fmt.Sprintf("/proc/%d/map_files/%x-%x", pid, m.from, m.to))
			}
			for _, s := range objects[m.name] {
				if at >= s.Value && at < s.Value+s.Size {
					line = fmt.Sprintf("%s+%#x (%s)", s.Name, at-s.Value, filepath.Base(m.name))
					break
				}
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// mapping is a mapping of an object from which a process can execute.
type mapping struct {
	from, to, offset uint64
	name             string
}

func readMaps(pid int) (all []mapping) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	for line := range strings.Lines(string(text)) {
		var m mapping
		var access, device string
		var inode uint64
		n, _ := fmt.Sscanf(line, "%x-%x %s %x %s %d", &m.from, &m.to, &access, &m.offset, &device, &inode)
		if n == 6 && strings.Contains(access, "x") && inode != 0 {
			_, m.name, _ = strings.Cut(strings.TrimSuffix(line, "\n"), "/")
			all = append(all, m)
		}
	}
	return all
}

// functions returns the functions of an object, by their offsets in its file.
func functions(name string) (all []elf.Symbol) {
	f, err := elf.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	named, _ := f.Symbols()
	exported, _ := f.DynamicSymbols()
	for _, s := range append(named, exported...) {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC {
			continue
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_LOAD && s.Value >= p.Vaddr && s.Value < p.Vaddr+p.Memsz {
				s.Value = s.Value - p.Vaddr + p.Off
				all = append(all, s)
				break
			}
		}
	}
	return all
}
