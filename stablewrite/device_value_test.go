package stablewrite

import "testing"

// valued is a Device that is not a pointer and not comparable.
type valued struct {
	*disk
	_ []int
}

func TestADeviceNeedNotBeComparable(t *testing.T) {
	f, err := NewDevice(valued{disk: newDisk(kib4)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
