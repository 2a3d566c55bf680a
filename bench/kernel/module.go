package kernel

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ulikunitz/xz"
)

// module is a module and what it is loaded with.
type module struct {
	name    string // as the kernel knows it, with underscores
	params  string
	content []byte // uncompressed
}

// tree is lib/modules/VERSION.
type tree struct {
	files   map[string]string // path by name
	builtin map[string]bool
}

// canonical is the name of a module as the kernel knows it, of a file or a name
// that may be written with dashes.
func canonical(name string) string {
	name = path.Base(name)
	for _, suffix := range []string{".xz", ".ko"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return strings.ReplaceAll(name, "-", "_")
}

func (k Kernel) tree() (*tree, error) {
	t := &tree{files: map[string]string{}, builtin: map[string]bool{}}
	err := filepath.WalkDir(k.modules, func(name string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(name, ".ko") || strings.HasSuffix(name, ".ko.xz")) {
			t.files[canonical(name)] = name
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(filepath.Join(k.modules, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(list)) {
		t.builtin[canonical(strings.TrimSpace(line))] = true
	}
	return t, nil
}

// load returns the modules wanted ("name param=value ...") and those that they
// depend on, in the order in which they are to be loaded. What is built in is
// left out; its parameters, if any, are then an error.
func (k Kernel) load(wanted []string) ([]module, error) {
	t, err := k.tree()
	if err != nil {
		return nil, err
	}
	var order []module
	seen := map[string]bool{}
	var add func(name, params string) error
	add = func(name, params string) error {
		if name = canonical(name); seen[name] && params != "" {
			return fmt.Errorf("the module %s is loaded before it is given %q: name it earlier", name, params)
		} else if seen[name] {
			return nil
		}
		seen[name] = true
		file, ok := t.files[name]
		switch {
		case !ok && t.builtin[name] && params == "":
			return nil
		case !ok && t.builtin[name]:
			return fmt.Errorf("the module %s is built into Linux %s, and cannot be given %q", name, k.Version, params)
		case !ok:
			return fmt.Errorf("%w: Linux %s has no module %s", ErrNoModule, k.Version, name)
		}
		content, err := readModule(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		needs, err := dependencies(content)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, need := range needs {
			if err := add(need, ""); err != nil {
				return err
			}
		}
		order = append(order, module{name: name, params: params, content: content})
		return nil
	}
	for _, w := range wanted {
		name, params, _ := strings.Cut(w, " ")
		if err := add(name, params); err != nil {
			return nil, err
		}
	}
	return order, nil
}

func readModule(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil || !strings.HasSuffix(name, ".xz") {
		return b, err
	}
	r, err := xz.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// dependencies reads what a module says of itself (modinfo(8)): packages do not
// carry the modules.dep that depmod(8) would make of it.
func dependencies(ko []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("not a kernel module: it has no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for entry := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(entry, "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
