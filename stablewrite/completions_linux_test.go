package stablewrite

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"
)

// ringSays performs w on a Device as Do does, but its first submission ends as if a
// ring had returned res.
func ringSays(f *File, w *Write, res int32) error {
	if err := w.claim(); err != nil {
		return err
	}
	defer w.release()
	st := w.state
	if !st.admit(f, nil, true) {
		return w.Err
	}
	st.reserve()
	f.target.lock(&st.locked, w.Off, w.Off+int64(st.n))
	o := st.begin()
	go o.reaped(res)
	st.await()
	return w.Err
}

// If a ring wrote nothing, or only a part, a blocking call writes the rest. An error of
// the device is the error of the write.
func TestCompletionsMeanWhatTheyShould(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	const n = 8 * kib4
	for _, tc := range []struct {
		res     int32
		from    int // offset of the blocking call; n: no call
		err     error
		good    int
		submits int
	}{
		{-int32(syscall.ECANCELED), 0, nil, n, 2},
		{-int32(syscall.EAGAIN), 0, nil, n, 2},
		{-int32(syscall.EINTR), 0, nil, n, 2},
		{3*kib4 + 700, 3*kib4 + 512, nil, n, 2},
		{n, n, nil, n, 1},
		{0, n, io.ErrShortWrite, 0, 1},
		{n + 1, n, errCount, 0, 1},
		{-int32(syscall.EIO), n, syscall.EIO, 0, 1},
		{-int32(syscall.ENOSPC), n, syscall.ENOSPC, 0, 1},
		{-int32(syscall.EFAULT), n, syscall.EFAULT, 0, 1},
		{-int32(syscall.EILSEQ), 0, nil, n, 2}, // once more, from private memory
	} {
		for _, s := range []Strategy{Verify, Bounce} {
			if tc.res == -int32(syscall.EILSEQ) && s == Bounce {
				continue // a copy does not change, so EILSEQ is the error
			}
			d, from := newDisk(n), n
			d.during = func(p []byte, off int64) (int, error) {
				from = int(off)
				return len(p), nil
			}
			f := d.file(t, Options{Strategy: s})
			w := &Write{Buf: random(3, n), Sums: make([]uint32, n/kib4)}
			err := ringSays(f, w, tc.res)
			if (err == nil) != (tc.err == nil) || tc.err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%v, result %d: %v", s, tc.res, err)
			}
			if from != tc.from || w.Receipt.N != tc.good || w.Receipt.Submissions != tc.submits {
				t.Errorf("%v, result %d: a call from %d, receipt %+v", s, tc.res, from, w.Receipt)
			}
			if tc.err == nil && !bytes.Equal(d.media[from:], w.Buf[from:]) {
				t.Errorf("%v, result %d: other bytes", s, tc.res)
			}
			if busyFile(f) {
				t.Errorf("%v, result %d: memory or range leaked", s, tc.res)
			}
		}
	}
}
