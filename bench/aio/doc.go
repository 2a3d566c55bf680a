// Package aio writes in two steps: a submission, by io_submit(2), and the reaping of
// its completion, by io_getevents(2). Between the two steps the write is in flight.
//
// That holds for direct writes only. Through the page cache, io_submit returns after
// the kernel has copied the data.
package aio
