package stablewrite

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
)

// The killed process is this program, started again to run TestAQueueThatIsKilled, with
// 32 writes in flight through a Queue. These variables of its environment have its file,
// engine and seed. It writes notes to a pipe at descriptor 3.
const (
	queueEnv      = "STABLEWRITE_TEST_QUEUE"
	queueEngine   = "STABLEWRITE_TEST_QUEUE_ENGINE"
	queueSeed     = "STABLEWRITE_TEST_QUEUE_SEED"
	queueDepth    = 32
	queueBlocks   = 512 // of the file
	longestBlocks = mostBlocks
)

// This test is the process to be killed. It does nothing in other processes.
func TestAQueueThatIsKilled(t *testing.T) {
	name, child := os.LookupEnv(queueEnv)
	if !child {
		return
	}
	seed, _ := strconv.Atoi(os.Getenv(queueSeed))
	if err := writeUntilKilled(name, uint64(seed)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func writeUntilKilled(name string, seed uint64) error {
	o := Options{Strategy: []Strategy{Verify, Bounce}[seed%2], Engine: ByRing, Lock: true}
	if os.Getenv(queueEngine) == ByCalls.String() {
		o.Engine = ByCalls
	}
	f, err := Open(name, o)
	if err != nil {
		return err
	}
	q, notes, rng := f.Queue(queueDepth), os.NewFile(3, "notes"), rand.New(rand.NewPCG(seed, 7))
	tell := func(n *note) error {
		b, err := binary.Append(nil, binary.LittleEndian, n)
		if err == nil {
			_, err = notes.Write(b)
		}
		return err
	}
	content := rand.NewChaCha8([32]byte{byte(seed), 1})
	for id := uint32(0); ; id++ {
		var w *Write
		if id < queueDepth {
			w = &Write{Sums: make([]uint32, longestBlocks), Tag: new(note)}
			w.Buf = AlignedBuffer(longestBlocks * kib4)
		} else {
			if w = q.Wait(); w.Err != nil {
				return w.Err
			}
			n := w.Tag.(*note)
			n.Returned, n.Good = true, n.Blocks
			copy(n.Sums[:], w.Sums[:n.Blocks])
			if err := tell(n); err != nil {
				return err
			}
		}
		n := w.Tag.(*note)
		*n = note{ID: id, Strategy: o.Strategy, Blocks: 1 + rng.Int32N(longestBlocks)}
		n.Block = rng.Int64N(queueBlocks - longestBlocks)
		w.Buf, w.Off = w.Buf[:cap(w.Buf)][:n.Blocks*kib4], n.Block*kib4
		content.Read(w.Buf)
		if err := tell(n); err != nil {
			return err
		}
		if err := q.Start(w); err != nil {
			return err
		}
	}
}

// killQueue starts such a process, kills it a while after enough of its writes returned,
// and waits for its end.
func killQueue(t *testing.T, l *ledger, name string, e Engine, seed, enough int, while time.Duration) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestAQueueThatIsKilled$")
	cmd.Env = append(os.Environ(), queueEnv+"="+name, queueEngine+"="+e.String(), fmt.Sprintf("%s=%d", queueSeed, seed))
	cmd.ExtraFiles = []*os.File{to}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // the child does not read it, and ends when its notes cannot be written
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	to.Close()
	due, ended, returned := make(chan struct{}), make(chan error, 1), atomic.Int32{}
	go func() {
		ended <- readNotes(from, func(n note) {
			if l != nil {
				l.take(n)
			}
			if n.Returned && int(returned.Add(1)) == enough {
				close(due)
			}
		})
	}()
	select {
	case <-due:
		time.Sleep(while)
	case err := <-ended:
		cmd.Wait()
		t.Fatalf("it ended by itself: %v", err)
	}
	cmd.Process.Kill()
	if err := cmd.Wait(); cmd.ProcessState.Exited() {
		t.Fatalf("it ended before it was killed: %v", err)
	}
	// The notes that are still in the pipe were written before the kill.
	if l != nil {
		if err := <-ended; err != nil && err != io.ErrUnexpectedEOF {
			t.Fatal(err)
		}
		l.killed(0)
	}
}

// A process is killed with 32 writes in flight. When a successor has the lock, all writes
// that can land have landed, and the receipts from before the kill are true.
func TestReceiptsOfAQueueHoldAfterKill(t *testing.T) {
	t.Parallel()
	const kills = 8
	onBothEngines(t, queueBlocks*kib4, func(t *testing.T, name string, o Options) {
		l, rng := newLedger(), rand.New(rand.NewPCG(8, 9))
		l.found(0, testenv.Media(t, name))
		for k := range kills {
			killQueue(t, l, name, o.Engine, k, 100+rng.IntN(400), time.Duration(rng.IntN(3000))*time.Microsecond)
			f, err := Open(name, Options{Lock: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.check(0, testenv.Media(t, name)); err != nil {
				t.Fatalf("after kill %d: %v", k, err)
			}
			f.Close()
		}
		t.Logf("%d kills, acknowledged: %v", kills, l.acknowledged)
		if l.total() < kills*50 {
			t.Errorf("%d writes were acknowledged: the test showed nothing", l.total())
		}
	})
}

// Writes that a killed process had in flight do not overwrite the bytes of a successor
// that took the lock. Without the lock they can; the test counts how often.
func TestASuccessorsWritesSurvive(t *testing.T) {
	t.Parallel()
	const kills = 5
	onBothEngines(t, queueBlocks*kib4, func(t *testing.T, name string, o Options) {
		lost := func() (n int) { // blocks that are not the successor's
			time.Sleep(60 * time.Millisecond)
			got := testenv.Media(t, name)
			for k := range queueBlocks {
				if v, err := uniform(block(got, k)); err != nil || v != 0x77 {
					n++
				}
			}
			return n
		}
		whole := filled(queueBlocks*kib4, 0x77)
		landed, blocks := 0, 0
		for k := range kills {
			killQueue(t, nil, name, o.Engine, 100+k, 100, time.Duration(k)*300*time.Microsecond)
			f, err := Open(name, Options{Lock: true, Strategy: Raw})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(whole, 0); err != nil {
				t.Fatal(err)
			}
			if n := lost(); n > 0 {
				t.Errorf("kill %d: %d blocks of the successor's were overwritten", k, n)
			}
			f.Close()
			fd, err := unix.Open(name, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			killQueue(t, nil, name, o.Engine, 200+k, 100, time.Duration(k)*300*time.Microsecond)
			if _, err := unix.Pwrite(fd, whole, 0); err != nil {
				t.Fatal(err)
			}
			unix.Close(fd)
			if n := lost(); n > 0 {
				landed++
				blocks += n
			}
		}
		t.Logf("without the lock: writes landed after wait4, and after the successor's, in %d of %d kills, %d blocks", landed, kills, blocks)
	})
}
