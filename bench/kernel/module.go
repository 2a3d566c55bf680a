package kernel

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
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
	root    string
	files   map[string]string // path by name
	builtin map[string]bool
	aliases map[string]string // names of modules of the Crypto API, by alias; nil until it is needed
}

// packings are the ways in which a module may be compressed, by what its name then
// ends in.
var packings = map[string]func([]byte) ([]byte, error){
	".ko":     func(b []byte) ([]byte, error) { return b, nil },
	".ko.xz":  unxz,
	".ko.zst": unzstd,
}

// packing is what the name of a module ends in; "" if it is no module's.
func packing(name string) string {
	for suffix := range packings {
		if strings.HasSuffix(name, suffix) {
			return suffix
		}
	}
	return ""
}

// canonical is the name of a module as the kernel knows it, of a file or a name
// that may be written with dashes.
func canonical(name string) string {
	name = path.Base(name)
	return strings.ReplaceAll(strings.TrimSuffix(name, packing(name)), "-", "_")
}

func (k Kernel) tree() (*tree, error) {
	t := &tree{root: k.modules, files: map[string]string{}, builtin: map[string]bool{}}
	err := filepath.WalkDir(k.modules, func(name string, d fs.DirEntry, err error) error {
		if err == nil && packing(name) != "" {
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

// aliasPrefix is that of the names by which the kernel asks for an algorithm:
// "crypto-crc32c". Which module has it differs between kernels.
const aliasPrefix = "crypto-"

// resolve returns the module that has an alias, the first by name if several have it,
// and any other name unchanged. Packages do not carry the modules.alias
// that depmod(8) would make of modules.
func (t *tree) resolve(name string) (string, error) {
	if !strings.HasPrefix(name, aliasPrefix) {
		return name, nil
	}
	if t.aliases == nil {
		t.aliases = map[string]string{}
		for _, module := range slices.Sorted(maps.Keys(t.files)) {
			file := t.files[module]
			if !strings.Contains(strings.TrimPrefix(file, t.root), "/crypto/") {
				continue
			}
			_, info, err := readModule(file)
			if err != nil {
				return "", err
			}
			for _, alias := range info["alias"] {
				if t.aliases[alias] == "" {
					t.aliases[alias] = module
				}
			}
		}
	}
	if module := t.aliases[name]; module != "" {
		return module, nil
	}
	return name, nil
}

// optional marks a module that a kernel may lack: it has it built in under another
// name, or needs none.
const optional = "?"

// load returns the modules wanted ("name param=value ...", "?name" if optional) and
// those that they depend on, in the order in which they are to be loaded. Names
// that begin with "crypto-" are aliases. What is built in is left out; its
// parameters, if any, are then an error.
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
		content, info, err := readModule(file)
		if err != nil {
			return err
		}
		for _, list := range info["depends"] {
			for need := range strings.SplitSeq(list, ",") {
				if need == "" {
					continue
				}
				if err := add(need, ""); err != nil {
					return err
				}
			}
		}
		order = append(order, module{name: name, params: params, content: content})
		return nil
	}
	for _, w := range wanted {
		name, params, _ := strings.Cut(w, " ")
		name, mayLack := strings.CutPrefix(name, optional)
		if name, err = t.resolve(name); err != nil {
			return nil, err
		}
		if mayLack && t.files[canonical(name)] == "" {
			continue
		}
		if err := add(name, params); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// readModule returns a module, uncompressed, and what it says of itself.
func readModule(name string) (content []byte, info map[string][]string, err error) {
	if content, err = os.ReadFile(name); err != nil {
		return nil, nil, err
	}
	if content, err = packings[packing(name)](content); err == nil {
		info, err = modinfo(content)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return content, info, nil
}

func unxz(b []byte) ([]byte, error) {
	r, err := xz.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func unzstd(b []byte) ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(b, nil)
}

// modinfo reads what a module says of itself (modinfo(8)), values by key. Packages
// do not carry the modules.dep that depmod(8) would make of it.
func modinfo(ko []byte) (map[string][]string, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("not a kernel module: it has no section .modinfo")
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	info := map[string][]string{}
	for entry := range strings.SplitSeq(string(data), "\x00") {
		if key, value, ok := strings.Cut(entry, "="); ok {
			info[key] = append(info[key], value)
		}
	}
	return info, nil
}
