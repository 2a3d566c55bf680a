// Package aio writes in two steps: a submission that the kernel accepted, by
// io_submit(2), and the reaping of its completion, by io_getevents(2). Between
// the two a write is in flight, for certain, and what is done then is done in
// flight.
//
// That holds of direct writes. Through the page cache io_submit returns when the
// copy is made.
package aio
