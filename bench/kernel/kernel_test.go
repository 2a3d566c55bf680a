package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// put writes a file and the directories above it.
func put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o777); err != nil {
		t.Fatal(err)
	}
}

// ko returns a module that has a section .modinfo and no code.
func ko(info ...string) []byte {
	data := []byte(strings.Join(info, "\x00") + "\x00")
	names := []byte("\x00.modinfo\x00.shstrtab\x00")
	head := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1,
		Ehsize: 64, Shentsize: 64, Shnum: 3, Shstrndx: 2, Shoff: uint64(64 + len(data) + len(names)),
	}
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, head)
	b.Write(data)
	b.Write(names)
	binary.Write(&b, binary.LittleEndian, []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: 64, Size: uint64(len(data)), Addralign: 1},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(64 + len(data)), Size: uint64(len(names)), Addralign: 1},
	})
	return b.Bytes()
}

// packed compresses content.
func packed[W io.WriteCloser](t *testing.T, compress func(io.Writer) (W, error), content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := compress(&b)
	if err == nil {
		_, err = w.Write(content)
		w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// fake makes an unpacked kernel package with empty parts.
func fake(t *testing.T, dir string) Kernel {
	t.Helper()
	put(t, filepath.Join(dir, "boot", "vmlinuz-9.9"), nil)
	modules := filepath.Join(dir, "lib", "modules", "9.9")
	put(t, filepath.Join(modules, "modules.builtin"), []byte("kernel/virtio_pci.ko\nkernel/virtio_console.ko\nkernel/drivers/virtio-blk.ko\n"))
	put(t, filepath.Join(modules, "kernel", "fs", "top-fs.ko"), ko("license=GPL", "depends=left,right", "name=top_fs"))
	put(t, filepath.Join(modules, "kernel", "left.ko.xz"), packed(t, xz.NewWriter, ko("depends=bottom-1")))
	zst := func(w io.Writer) (*zstd.Encoder, error) { return zstd.NewWriter(w) }
	put(t, filepath.Join(modules, "kernel", "right.ko.zst"), packed(t, zst, ko("depends=virtio_blk,bottom-1")))
	put(t, filepath.Join(modules, "kernel", "crypto", "sum-fast.ko"), ko("alias=crypto-sum", "depends="))
	put(t, filepath.Join(modules, "kernel", "bottom_1.ko"), ko("depends="))
	put(t, filepath.Join(modules, "kernel", "broken.ko"), ko("depends=nowhere"))
	put(t, filepath.Join(modules, "kernel", "text.ko"), []byte("text"))
	k, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestModulesAreLoadedAfterWhatTheyNeed(t *testing.T) {
	k := fake(t, t.TempDir())
	got, err := k.load([]string{"virtio_pci", "bottom-1 a=1 b=2", "?nowhere", "?virtio-blk", "top_fs", "?sum-slow", "?sum-fast"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range got {
		names = append(names, strings.TrimSpace(m.name+" "+m.params))
		if _, err := elf.NewFile(bytes.NewReader(m.content)); err != nil {
			t.Errorf("%s is not uncompressed: %v", m.name, err)
		}
	}
	if want := []string{"bottom_1 a=1 b=2", "left", "right", "top_fs", "sum_fast"}; !slices.Equal(names, want) {
		t.Errorf("the order is %q, want %q", names, want)
	}
	for _, wanted := range []string{"nowhere", "broken", "?broken", "text", "virtio_pci x=1"} {
		if _, err := k.load([]string{wanted}); err == nil {
			t.Errorf("%s can be loaded", wanted)
		}
	}
	if _, err := k.load([]string{"top_fs", "bottom-1 a=1"}); err == nil {
		t.Error("parameters are dropped in silence")
	}
	if _, err := k.load([]string{"broken"}); !errors.Is(err, ErrNoModule) {
		t.Errorf("%v, want ErrNoModule", err)
	}
}

func TestOpenSaysWhatIsWrongWithADirectory(t *testing.T) {
	good, several, bare, merged, today := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	fake(t, good)
	fake(t, several)
	put(t, filepath.Join(several, "boot", "vmlinuz-8"), nil)
	put(t, filepath.Join(bare, "boot", "vmlinuz-9.9"), nil)
	put(t, filepath.Join(merged, "boot", "vmlinuz-9.9"), nil)
	put(t, filepath.Join(merged, "usr", "lib", "modules", "9.9", "kernel", "x.ko"), nil)
	put(t, filepath.Join(today, "usr", "lib", "modules", "9.9", "vmlinuz"), nil)
	put(t, filepath.Join(today, "usr", "lib", "modules", "9.9", "kernel", "x.ko.xz"), nil)
	for _, tc := range []struct{ dir, want string }{
		{good, ""},
		{merged, ""},
		{today, ""},
		{several, "several kernels"},
		{bare, "no lib/modules/9.9"},
		{t.TempDir(), "neither boot/vmlinuz-*"},
		{filepath.Join(good, "absent"), "name the directory"},
		{filepath.Join(good, "boot", "vmlinuz-9.9"), "not a directory"},
	} {
		k, err := Open(tc.dir)
		switch {
		case tc.want == "" && (err != nil || k.Version != "9.9"):
			t.Errorf("Open = %q, %v", k.Version, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
}

// entry is a file of an archive, as the kernel's unpacker would see it.
type entry struct {
	mode    int
	major   int
	minor   int
	content string
}

func unpack(t *testing.T, b []byte) map[string]entry {
	t.Helper()
	found := map[string]entry{}
	for at := 0; ; {
		if at%4 != 0 || len(b)-at < 110 || string(b[at:at+6]) != "070701" {
			t.Fatalf("no header at %d", at)
		}
		field := func(i int) int {
			n, err := strconv.ParseUint(string(b[at+6+8*i:at+14+8*i]), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
		size, nameSize := field(6), field(11)
		name := string(b[at+110 : at+110+nameSize-1])
		data := (at + 110 + nameSize + 3) &^ 3
		if name == "TRAILER!!!" {
			return found
		}
		if dir := filepath.Dir(name); dir != "." && found[dir].mode&typeDir == 0 {
			t.Errorf("%s comes before its directory", name)
		}
		if _, twice := found[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		found[name] = entry{field(1), field(9), field(10), string(b[data : data+size])}
		at = (data + size + 3) &^ 3
	}
}

func TestTheInitramfsHoldsWhatTheGuestNeeds(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	modules := []module{{"first", "a=1", []byte("one")}, {"second", "", []byte("three")}}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o666); err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{initFile: program, "/again": program, "/etc/text": text}
	if err := writeInitramfs(&b, sources, modules, []byte(`{"job":1}`)); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, b.Bytes())
	for name, want := range map[string]string{
		"job": `{"job":1}`, "modules/order": "first a=1\nsecond \n", "modules/first": "one", "modules/second": "three",
		"etc/text": "no program",
	} {
		if files[name].content != want {
			t.Errorf("%s holds %q, want %q", name, files[name].content, want)
		}
	}
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "mnt"} {
		if files[dir].mode&typeDir == 0 {
			t.Errorf("there is no directory %s", dir)
		}
	}
	if c := files["dev/console"]; c.mode != typeChar|0o600 || c.major != 5 || c.minor != 1 {
		t.Errorf("dev/console is %+v", c)
	}
	self, _ := os.ReadFile(program)
	if files["init"].content != string(self) || files["init"].mode&0o111 == 0 {
		t.Error("init is not the program")
	}
	libs, err := libraries(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, lib := range libs {
		if files[strings.TrimPrefix(lib, "/")].content == "" {
			t.Errorf("%s is not there", lib)
		}
	}
	if err := writeInitramfs(&b, map[string]string{"/gone": text + ".gone"}, nil, nil); err == nil {
		t.Error("a file that is not there was added")
	}
}
