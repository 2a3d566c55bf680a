package stablewrite

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// A child is a party in another process: this program, started again. It finds the party
// in a variable of its environment, the pipe for its notes at descriptor 3, and the
// memory that moves at 4. It ends when its standard input ends, so it does not outlive
// the test.
const (
	childEnv    = "STABLEWRITE_TEST_PARTY"
	childNotes  = 3
	childMemory = 4
)

// beside is how many tests run at a time, unless -parallel sets it: they wait for
// the disk and for sleeping processes more than they calculate.
const beside = 4

// STABLEPAGES_ENGINE=calls runs the tests without rings.
func TestMain(m *testing.M) {
	switch e := os.Getenv("STABLEPAGES_ENGINE"); e {
	case "", "any":
	case "calls":
		defaultEngine = ByCalls
	default:
		fmt.Fprintf(os.Stderr, "STABLEPAGES_ENGINE is any or calls, not %q\n", e)
		os.Exit(2)
	}
	if spec, child := os.LookupEnv(childEnv); child {
		if err := childMain(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := flag.Set("test.parallel", fmt.Sprint(max(beside, runtime.GOMAXPROCS(0)))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func childMain(spec string) error {
	p, before := new(party), nowHeld()
	if err := json.Unmarshal([]byte(spec), p); err != nil {
		return err
	}
	m, err := move(childMemory, movingBytes, uint64(p.Process), p.Seed)
	if err != nil {
		return err
	}
	over := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		watch("the other process", patience/2) // ends the child before its parent gives up
		p.stop.Store(true)
		close(over)
	}()
	notes := os.NewFile(childNotes, "notes")
	err = p.run(m.p, func(n note) {
		b, err := binary.Append(nil, binary.LittleEndian, n)
		if err == nil {
			_, err = notes.Write(b)
		}
		if err != nil {
			p.fail(err)
		}
	})
	if err == nil {
		<-over
	}
	return errors.Join(err, m.close(), before.leftBehind())
}

// child is a child as its parent holds it.
type child struct {
	cmd   *exec.Cmd
	end   io.Closer
	said  bytes.Buffer
	notes chan error // the end of its notes
}

// startChild starts p on the memory of a memfd, and calls take with each of its
// notes.
func startChild(t *testing.T, p *party, memory int, take func(note)) *child {
	t.Helper()
	spec, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	mem, err := dup(memory)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	c := &child{cmd: exec.Command("/proc/self/exe"), notes: make(chan error, 1)}
	// By default a program under the race detector sleeps for a second when it exits.
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(spec), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	c.cmd.ExtraFiles = []*os.File{to, mem}
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	if c.end, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer from.Close()
		c.notes <- readNotes(from, take)
	}()
	return c
}

func readNotes(r io.Reader, take func(note)) error {
	for r := bufio.NewReader(r); ; {
		var n note
		switch err := binary.Read(r, binary.LittleEndian, &n); err {
		case nil:
			take(n)
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

// wait returns when the child has ended and all its notes were taken.
func (c *child) wait() error {
	err := errors.Join(<-c.notes, c.cmd.Wait())
	if err != nil {
		err = fmt.Errorf("the other process: %w: %s", err, c.said.String())
	}
	return err
}
