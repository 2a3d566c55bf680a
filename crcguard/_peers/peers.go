package main

// #cgo CFLAGS: -O2 -Wall
// #cgo LDFLAGS: -lisal
// #include "peers.h"
import "C"
import "unsafe"

// The peers walk in C: a call from Go costs as much as a block.

func address(p []byte) *C.uchar { return (*C.uchar)(unsafe.SliceData(p)) }

// readAll only loads: what the memory gives to one core.
func readAll(w walk) { C.read_all(address(w.src), C.size_t(len(w.src)), C.size_t(w.times)) }

func isal(w walk) {
	C.isal(address(w.src), C.size_t(len(w.src)), C.size_t(w.size), C.size_t(w.times))
}

func memcpy(w walk) {
	C.copy_all(address(w.dst), C.size_t(len(w.dst)), address(w.src), C.size_t(len(w.src)), C.size_t(w.size), C.size_t(w.times))
}
