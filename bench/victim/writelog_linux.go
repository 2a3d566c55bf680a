package victim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A Recorder is a device that passes everything on to a disk and writes to
// another disk what it passed on, in order, flushes among it: dm-log-writes
// (Documentation/admin-guide/device-mapper/log-writes.rst).
type Recorder struct{ Device string }

const recorder = "recorder"

// Record makes a Recorder of a disk and of another one for the log.
func Record(disk, log string) (*Recorder, error) {
	if err := errors.Join(awaitDevice(disk), awaitDevice(log)); err != nil {
		return nil, err
	}
	f, err := os.Open(disk)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if f.Close(); err != nil {
		return nil, err
	}
	dev, err := mapDevice(recorder, target{0, uint64(size) / 512, "log-writes", disk + " " + log})
	return &Recorder{dev}, err
}

// Mark puts text into the log.
func (r *Recorder) Mark(text string) error { return sendMessage(recorder, "mark "+text) }

// Close ends the log, when all of it is written.
func (r *Recorder) Close() error { return unmapDevice(recorder) }

// Logged is an entry of a log.
type Logged struct {
	Off   int64
	Data  []byte
	Mark  string // if it is one, and then nothing else
	Flush bool   // what came before is durable
	FUA   bool   // this is, too
	Zero  int64  // bytes from Off that are discarded
}

// Flags of an entry, drivers/md/dm-log-writes.c.
const (
	logFlush   = 1 << 0
	logFUA     = 1 << 1
	logDiscard = 1 << 2
	logMark    = 1 << 3
)

const (
	logMagic = 0x6a736677736872
	logEnd   = "dm-log-writes-end" // the mark that the kernel makes last
	largest  = 1 << 40             // sectors of any disk
)

// ReadLog calls each with every entry of a log, in order. A log that does not
// end as Close ends it is an error: what is missing is not known.
func ReadLog(log io.ReaderAt, each func(Logged) error) error {
	le := binary.LittleEndian
	head := make([]byte, 28)
	if _, err := log.ReadAt(head, 0); err != nil {
		return err
	}
	if le.Uint64(head) != logMagic {
		return errors.New("not a log of dm-log-writes")
	}
	entries, sector := le.Uint64(head[16:]), int64(le.Uint32(head[24:]))
	if sector < 512 || sector > 64<<10 || sector&(sector-1) != 0 {
		return fmt.Errorf("a log with sectors of %d bytes", sector)
	}
	at, last := sector, ""
	for i := range entries {
		entry := make([]byte, sector)
		if _, err := log.ReadAt(entry, at); err != nil {
			return fmt.Errorf("entry %d of %d of the log: %w", i, entries, err)
		}
		at += sector
		start, sectors, flags, text := le.Uint64(entry), le.Uint64(entry[8:]), le.Uint64(entry[16:]), le.Uint64(entry[24:])
		if start > largest || sectors > largest {
			return fmt.Errorf("entry %d of the log: sectors %d and %d on", i, start, sectors)
		}
		length := int64(sectors) * sector
		e := Logged{Off: int64(start) * sector, Flush: flags&logFlush != 0, FUA: flags&logFUA != 0}
		switch {
		case flags&logMark != 0:
			if text > uint64(sector)-32 {
				return fmt.Errorf("entry %d of the log: a mark of %d bytes", i, text)
			}
			e.Mark = string(entry[32 : 32+text])
		case flags&logDiscard != 0:
			e.Zero = length
		default:
			const longest = 64 << 20
			if length > longest {
				return fmt.Errorf("entry %d of the log: %d bytes", i, length)
			}
			e.Data = make([]byte, length)
			if _, err := log.ReadAt(e.Data, at); err != nil {
				return fmt.Errorf("entry %d of %d of the log: %w", i, entries, err)
			}
			at += length
		}
		last = e.Mark
		if err := each(e); err != nil {
			return err
		}
	}
	if last != logEnd {
		return errors.New("the log ends before its end")
	}
	return nil
}
