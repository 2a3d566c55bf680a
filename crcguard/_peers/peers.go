package main

// #cgo CFLAGS: -O2 -Wall
// #cgo LDFLAGS: -lisal
// #include "peers.h"
import "C"
import "unsafe"

// The peers walk in C: a call from Go costs as much as a block.

func address(p []byte) *C.uchar { return (*C.uchar)(unsafe.SliceData(p)) }

// readers returns loops that only load. No order is the fastest on every processor, and
// a loop that calculates can be faster than a loop that reads in order.
func readers() (all []contender) {
	for k := C.size_t(0); ; k++ {
		name := C.reader_name(k)
		if name == nil {
			return all
		}
		all = append(all, contender{"reading " + C.GoString(name), func(w walk) {
			C.read_all(k, address(w.src), C.size_t(len(w.src)), C.size_t(w.times))
		}})
	}
}

func isal(w walk) {
	C.isal(address(w.src), C.size_t(len(w.src)), C.size_t(w.size), C.size_t(w.times))
}

func memcpy(w walk) {
	C.copy_all(address(w.dst), C.size_t(len(w.dst)), address(w.src), C.size_t(len(w.src)), C.size_t(w.size), C.size_t(w.times))
}
