package bbolt

// This file goes into the copy of bbolt next to what bbolt.patch changes: the
// options come from the environment, and the writes are counted. An engine that
// adopts stablewrite would have the options among its own, and needs no more.

import (
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

var stableOptions = func() (o stablewrite.Options) {
	if err := o.Strategy.UnmarshalText([]byte(os.Getenv("BBOLT_STRATEGY"))); err != nil {
		panic("BBOLT_STRATEGY: " + err.Error())
	}
	o.RequireDirect = o.Strategy.Direct()
	return o
}()

// stableClosed appends what was written to the file BBOLT_STATS, a line for
// every database that is closed: each is short enough to be appended whole.
func stableClosed(f *stablewrite.File) {
	name := os.Getenv("BBOLT_STATS")
	if name == "" {
		return
	}
	line, err := json.Marshal(f.Stats())
	if err != nil {
		panic(err)
	}
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		panic(err)
	}
	defer to.Close()
	if _, err := to.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// StableStats are those of the data file.
func (db *DB) StableStats() stablewrite.Stats { return db.stable.Stats() }

// Scribble plays a fault of the engine's that it does not have: the end of a
// meta page, which nothing uses, is changed for as long as the page is being
// written. The page is then read from the media, and must be what the receipt
// says it is.
func (db *DB) Scribble() {
	write := db.ops.writeAt
	db.ops.writeAt = func(p []byte, off int64) (int, error) {
		if off >= int64(2*db.pageSize) {
			return write(p, off)
		}
		stop := scribble((*atomic.Uint64)(unsafe.Pointer(&p[len(p)-8])))
		w := stablewrite.Write{Buf: p, Off: off}
		err := db.stable.Do(&w)
		stop()
		if err != nil {
			return w.Receipt.N, err
		}
		back := make([]byte, len(p))
		if _, err := db.stable.ReadAt(back, off); err != nil {
			return 0, err
		}
		if sum := crcguard.Checksum(back); sum != w.Receipt.Sum {
			return 0, fmt.Errorf("the meta page at %d is torn: CRC-32C %#x on the media, %#x in the receipt", off, sum, w.Receipt.Sum)
		}
		return len(p), nil
	}
}

// scribble changes word until it is told to stop. It began when it returns.
func scribble(word *atomic.Uint64) (stop func()) {
	began, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		close(began)
		for {
			select {
			case <-end:
				return
			default:
				word.Add(1)
			}
		}
	}()
	<-began
	return func() { close(end); <-ended }
}
