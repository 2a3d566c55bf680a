package victim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A recorder is a device that passes everything on to a disk and logs it, flushes too, in
// order, to another disk: dm-log-writes
// (Documentation/admin-guide/device-mapper/log-writes.rst).
const recorder = "recorder"

// Record makes a recorder of a disk of so many bytes, with a log on another one, and
// returns its path.
func Record(disk, log string, bytes int64) (device string, err error) {
	if err := errors.Join(awaitDevice(disk), awaitDevice(log)); err != nil {
		return "", err
	}
	return mapDevice(recorder, target{uint64(bytes) / 512, "log-writes", disk + " " + log})
}

// MarkLog puts text into the log.
func MarkLog(text string) error {
	_, err := dm(unix.DM_TARGET_MSG, recorder, append(make([]byte, 8), "mark "+text...))
	return err
}

// EndLog ends the log when all of it is written.
func EndLog() error {
	_, err := dm(unix.DM_DEV_REMOVE, recorder, nil)
	return err
}

// Logged is an entry of a log.
type Logged struct {
	Off  int64
	Data []byte // none in a mark, in a flush and where bytes are discarded
	Mark string // if not "", the entry has nothing else
	FUA  bool   // the data is durable, and all before it
}

// Flags of an entry, drivers/md/dm-log-writes.c.
const (
	logFUA     = 1 << 1
	logDiscard = 1 << 2
	logMark    = 1 << 3
)

const (
	logMagic = 0x6a736677736872
	logEnd   = "dm-log-writes-end" // the mark that the kernel makes last
	largest  = 1 << 40             // sectors of any disk
	longest  = 64 << 20            // bytes of any write
)

// ReadLog calls each with every entry of a log, in order. A log that EndLog did not end is
// an error, because entries may be missing.
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
		e := Logged{Off: int64(start) * sector, FUA: flags&logFUA != 0}
		switch {
		case flags&logMark != 0:
			if text > uint64(sector)-32 {
				return fmt.Errorf("entry %d of the log: a mark of %d bytes", i, text)
			}
			e.Mark = string(entry[32 : 32+text])
		case flags&logDiscard != 0:
		case length > longest:
			return fmt.Errorf("entry %d of the log: %d bytes", i, length)
		default:
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
