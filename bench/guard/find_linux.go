//go:build amd64 || arm64

package guard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// find finds COMMAND as a shell would, and refuses programs that cannot be guarded.
func find(name string) (path string, err error) {
	path, err = exec.LookPath(name)
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return "", &Error{CodeNotFound, fmt.Errorf("%s: not found; check the name, or give its path", name)}
	case errors.Is(err, fs.ErrPermission):
		return "", &Error{CodeCannotRun, fmt.Errorf("%s: permission denied: make it executable (chmod +x)", name)}
	case err != nil && !errors.Is(err, exec.ErrDot): // a shell, too, takes . from PATH
		return "", &Error{CodeCannotRun, fmt.Errorf("%s: %w", name, errors.Unwrap(err))}
	}
	for file, depth := path, 0; file != "" && depth < 5; depth++ {
		if file, err = inspect(file); err != nil {
			return "", &Error{CodeCannotRun, err}
		}
	}
	return path, nil
}

// inspect refuses a file that cannot be guarded, and returns the interpreter of a script.
func inspect(file string) (interpreter string, err error) {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	capabilities, _ := unix.Getxattr(file, "security.capability", nil)
	switch {
	case st.Mode&unix.S_ISUID != 0 || st.Mode&(unix.S_ISGID|unix.S_IXGRP) == unix.S_ISGID|unix.S_IXGRP:
		return "", fmt.Errorf("%s is setuid or setgid, which a traced program may not be: become that user first (sudo stablewrite run), and guard a copy without the bit", file)
	case capabilities > 0:
		return "", fmt.Errorf("%s has file capabilities, which a traced program may not have: guard a copy without them as a user that has them (setpriv, systemd's AmbientCapabilities)", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", nil // it may be executable and not readable
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	const classAt, class32 = 4, 1
	if bytes.HasPrefix(head, []byte("\x7fELF")) && n > classAt && head[classAt] == class32 {
		return "", fmt.Errorf("%s is a 32-bit program, which cannot be guarded: use its 64-bit build, or its own switch for buffered I/O", file)
	}
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		if words := strings.Fields(string(line)); len(words) > 0 {
			return words[0], nil
		}
	}
	return "", nil
}
