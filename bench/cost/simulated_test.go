package cost

import (
	"errors"
	"sync"
	"testing"
	"time"

	"stablepages/stablewrite"
)

// A write may end late on a busy machine, but never early.
func TestADelayTakesItsLatencyAndSharesItsBandwidth(t *testing.T) {
	const latency, writes, size = 3 * time.Millisecond, 8, 1 << 20
	d := newDelay(latency, 1<<30, nil)
	f, err := stablewrite.NewDevice(d, stablewrite.Options{Strategy: stablewrite.Raw})
	if err != nil {
		t.Fatal(err)
	}
	buf := stablewrite.AlignedBuffer(size)
	transfer := time.Second * size / (1 << 30)
	began := time.Now()
	if _, err := f.WriteAt(buf, 0); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < latency+transfer {
		t.Errorf("one write took %v", took)
	}
	began = time.Now()
	var all sync.WaitGroup
	for i := range writes {
		all.Go(func() {
			if _, err := f.WriteAt(buf, int64(i)*size); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took < latency+writes*transfer {
		t.Errorf("%d writes at a time took %v", writes, took)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatKeepsNothingCannotBeRead(t *testing.T) {
	d := newDelay(time.Microsecond, 1e9, nil)
	defer d.Close()
	for _, dev := range []stablewrite.Device{&null{}, d} {
		if _, err := dev.ReadAt(make([]byte, 1), 0); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%T: %v", dev, err)
		}
	}
}
