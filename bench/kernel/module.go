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

// packings unpack a module, by the extension of its file.
var packings = map[string]func(io.Reader) (io.Reader, error){
	".ko": func(r io.Reader) (io.Reader, error) { return r, nil },
	".xz": func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) },
	// A single decoder starts no goroutine, so there is nothing to close.
	".zst": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r, zstd.WithDecoderConcurrency(1)) },
}

// canonical returns the kernel's name of a module, given its file or its name with dashes.
func canonical(name string) string {
	name, _, _ = strings.Cut(path.Base(name), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// tree lists the files of k's modules by name. Modules that are built in have the file "".
func (k Kernel) tree() (map[string]string, error) {
	builtin, err := os.ReadFile(filepath.Join(k.modules, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for line := range strings.Lines(string(builtin)) {
		files[canonical(line)] = ""
	}
	return files, filepath.WalkDir(k.modules, func(name string, _ fs.DirEntry, err error) error {
		if err == nil && packings[filepath.Ext(name)] != nil {
			files[canonical(name)] = name
		}
		return err
	})
}

// optional marks a module that a kernel may lack, because the kernel has it built in under
// another name, or needs none.
const optional = "?"

// load returns the modules wanted ("name param=value ...", "?name" if optional) and
// those that they depend on, in the order in which they are to be loaded. It leaves out
// modules that are built in; parameters of these are an error.
func (k Kernel) load(wanted []string) (order []module, err error) {
	files, err := k.tree()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var add func(name, params string) error
	add = func(name, params string) error {
		name = canonical(name)
		file, ok := files[name]
		switch {
		case seen[name] && params != "":
			return fmt.Errorf("the module %s is loaded before it is given %q: name it earlier", name, params)
		case !ok:
			return fmt.Errorf("%w: Linux %s has no module %s", ErrNoModule, k.Version, name)
		case file == "" && params != "":
			return fmt.Errorf("the module %s is built into Linux %s, and cannot be given %q", name, k.Version, params)
		case seen[name], file == "":
			return nil
		}
		seen[name] = true
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
	packed, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, err
	}
	r, err := packings[filepath.Ext(name)](bytes.NewReader(packed))
	if err == nil {
		content, err = io.ReadAll(r)
	}
	if err == nil {
		needs, err = depends(content)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return content, needs, nil
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
