//go:build !linux

package stablewrite

func mapMemory(int) (mem []byte, ok bool) { return nil, false }
func unmapMemory([]byte)                  {}
func adviseHuge([]byte)                   {}
func populate([]byte)                     {}
func hugeBytes([]byte) int                { return -1 }
