package kernel

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// module is a kernel module that is to be loaded.
type module struct {
	name    string // the kernel's, with underscores
	params  string
	content []byte // uncompressed
}

// packings unpack a module, by the end of its file's name.
var packings = map[string]func([]byte) ([]byte, error){
	".ko":     func(b []byte) ([]byte, error) { return b, nil },
	".ko.xz":  unxz,
	".ko.zst": unzstd,
}

// packing returns the end of the name of a module's file; "" for any other file.
func packing(name string) string {
	for suffix := range packings {
		if strings.HasSuffix(name, suffix) {
			return suffix
		}
	}
	return ""
}

// canonical returns the kernel's name of a module, given its file or its name with dashes.
func canonical(name string) string {
	name = path.Base(name)
	return strings.ReplaceAll(strings.TrimSuffix(name, packing(name)), "-", "_")
}

// tree lists the modules of k: files by name, and those that are built in.
func (k Kernel) tree() (files map[string]string, builtin map[string]bool, err error) {
	files, builtin = map[string]string{}, map[string]bool{}
	err = filepath.WalkDir(k.modules, func(name string, d fs.DirEntry, err error) error {
		if err == nil && packing(name) != "" {
			files[canonical(name)] = name
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	list, err := os.ReadFile(filepath.Join(k.modules, "modules.builtin"))
	for line := range strings.Lines(string(list)) {
		builtin[canonical(strings.TrimSpace(line))] = true
	}
	return files, builtin, err
}

// optional marks a module that a kernel may lack, because the kernel has it built in under
// another name, or needs none.
const optional = "?"

// load returns the modules wanted ("name param=value ...", "?name" if optional) and
// those that they depend on, in the order in which they are to be loaded. It leaves out
// modules that are built in; parameters of these are an error.
func (k Kernel) load(wanted []string) (order []module, err error) {
	files, builtin, err := k.tree()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var add func(name, params string) error
	add = func(name, params string) error {
		if name = canonical(name); seen[name] && params != "" {
			return fmt.Errorf("the module %s is loaded before it is given %q: name it earlier", name, params)
		} else if seen[name] {
			return nil
		}
		seen[name] = true
		file, ok := files[name]
		switch {
		case !ok && builtin[name] && params == "":
			return nil
		case !ok && builtin[name]:
			return fmt.Errorf("the module %s is built into Linux %s, and cannot be given %q", name, k.Version, params)
		case !ok:
			return fmt.Errorf("%w: Linux %s has no module %s", ErrNoModule, k.Version, name)
		}
		content, needs, err := readModule(file)
		if err != nil {
			return err
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
		name, mayLack := strings.CutPrefix(name, optional)
		if mayLack && files[canonical(name)] == "" {
			continue
		}
		if err := add(name, params); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// readModule returns a module, uncompressed, and the modules that it needs.
func readModule(name string) (content []byte, needs []string, err error) {
	if content, err = os.ReadFile(name); err != nil {
		return nil, nil, err
	}
	if content, err = packings[packing(name)](content); err == nil {
		needs, err = depends(content)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return content, needs, nil
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

// depends returns the modules that a module says it needs (modinfo(8)). Packages do not
// carry the modules.dep that depmod(8) would make of this.
func depends(ko []byte) (needs []string, err error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("not a kernel module: it has no section .modinfo")
	}
	data, err := section.Data()
	for entry := range strings.SplitSeq(string(data), "\x00") {
		if list, ok := strings.CutPrefix(entry, "depends="); ok && list != "" {
			needs = append(needs, strings.Split(list, ",")...)
		}
	}
	return needs, err
}
