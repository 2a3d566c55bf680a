// Package cost measures what each strategy costs when nothing changes.
//
// All strategies run in every round, in rotating order, so that the noise of the
// machine falls on all of them alike; what is compared are the ratios to raw
// within a round. Every cell syncs each time it has been over the whole region,
// and at its end, within the time: the page cache must not get away with writing
// to memory. Buffers are hot: each writer of a cell reuses one, of ordinary Go
// memory, as the Pool's is.
package cost
