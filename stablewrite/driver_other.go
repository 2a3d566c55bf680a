//go:build !linux

package stablewrite

// There are no rings but Linux's.

type driver struct{}

type iovecs struct{}

func (*iovecs) forget() {}

func newDriver(int, bool) *driver { return nil }
func (*driver) submit(*op) bool   { return false }
func (*driver) busy() bool        { return false }
func (*driver) claim() bool       { return false }
func (*driver) drive()            {}
func (*driver) stir()             {}
func (*driver) look()             {}
func (*driver) close() error      { return nil }
func borrowRing() *driver         { return nil }
func returnRing(*driver)          {}
func hurry()                      {}
func patient()                    {}
