// Command bbolt commits transactions to a bbolt database until it is killed,
// and after each says so on standard output. Built against the module of bbolt
// it is a plain program; the test builds it against the patched copy.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"go.etcd.io/bbolt"

	"stablepages/stablewrite"
)

// progress is a line of output: what was committed and acknowledged so far.
type progress struct {
	Commit uint64            // number of the last commit, over all runs
	Writes int64             // of this run, as bbolt counts them
	Stable stablewrite.Stats // of this run; zero unless bbolt is patched
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bbolt:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bbolt", flag.ContinueOnError)
	commits := flags.Uint64("commits", 0, "end after so many `commits`, and not when killed")
	scribble := flags.Bool("scribble", false, "change meta pages while they are written; needs the patched bbolt")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: bbolt [flags] FILE")
	}
	db, err := bbolt.Open(flags.Arg(0), 0o666, nil)
	if err != nil {
		return err
	}
	if *scribble {
		patched, ok := any(db).(interface{ Scribble() })
		if !ok {
			return errors.New("--scribble: this bbolt is not patched; go test builds one that is")
		}
		patched.Scribble()
	}
	stop, reader := make(chan struct{}), make(chan error, 1)
	go func() { reader <- read(db, stop) }()
	err = commit(db, *commits, reader, json.NewEncoder(stdout))
	close(stop)
	return errors.Join(err, <-reader, db.Close())
}

// commit commits until it has done so n times, or for ever if n is 0.
func commit(db *bbolt.DB, n uint64, reader chan error, acknowledge *json.Encoder) error {
	var last uint64
	err := db.View(func(tx *bbolt.Tx) (err error) { last, err = verify(tx); return err })
	if err != nil {
		return err
	}
	for i := last + 1; n == 0 || i <= last+n; i++ {
		if err := db.Update(func(tx *bbolt.Tx) error { return put(tx, i) }); err != nil {
			return err
		}
		// What was written is read back through the map of the file.
		err := db.View(func(tx *bbolt.Tx) error {
			got, err := verify(tx)
			if err == nil && got != i {
				err = fmt.Errorf("after commit %d the last is %d", i, got)
			}
			return err
		})
		if err != nil {
			return err
		}
		stats := db.Stats()
		now := progress{Commit: i, Writes: stats.TxStats.GetWrite()}
		if patched, ok := any(db).(interface{ StableStats() stablewrite.Stats }); ok {
			now.Stable = patched.StableStats()
		}
		if err := acknowledge.Encode(now); err != nil {
			return err
		}
		select {
		case err := <-reader: // it ended before it was told to
			reader <- nil
			return err
		default:
		}
	}
	return nil
}

// read verifies the database while it is being written, until stop is closed.
func read(db *bbolt.DB, stop chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := db.View(func(tx *bbolt.Tx) error { _, err := verify(tx); return err }); err != nil {
			return err
		}
	}
}

// kept is how many values the database keeps: older ones make room.
const kept = 64

var bucket = []byte("values")

func key(i uint64) []byte { return binary.BigEndian.AppendUint64(nil, i) }

// value is the i-th value: up to four pages of what i makes.
func value(i uint64) []byte {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], i)
	random := rand.NewChaCha8(seed)
	p := make([]byte, random.Uint64()%(16<<10))
	random.Read(p)
	return p
}

func put(tx *bbolt.Tx, i uint64) error {
	b, err := tx.CreateBucketIfNotExists(bucket)
	if err == nil {
		err = b.Put(key(i), value(i))
	}
	if err == nil && i > kept {
		err = b.Delete(key(i - kept))
	}
	return err
}

// verify requires the last values, each whole, none missing and none that was
// deleted, and returns the number of the last.
func verify(tx *bbolt.Tx) (last uint64, err error) {
	b := tx.Bucket(bucket)
	if b == nil {
		return 0, nil
	}
	k, _ := b.Cursor().Last()
	if len(k) != 8 {
		return 0, fmt.Errorf("the last key is %x", k)
	}
	last = binary.BigEndian.Uint64(k)
	next := max(last, kept) - kept + 1
	err = b.ForEach(func(k, v []byte) error {
		if want := next; !bytes.Equal(k, key(want)) || !bytes.Equal(v, value(want)) {
			return fmt.Errorf("of %d values %d is not what was put; the key is %x", last, want, k)
		}
		next++
		return nil
	})
	if err == nil && next != last+1 {
		err = fmt.Errorf("of %d values the last before the end is %d", last, next-1)
	}
	return last, err
}
