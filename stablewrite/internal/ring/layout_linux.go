package ring

// The names and values here are those of include/uapi/linux/io_uring.h.

// submission is struct io_uring_sqe.
type submission struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64
	addr     uint64
	len      uint32
	rwFlags  uint32
	userData uint64
	_        [3]uint64 // of operations that are not used here
}

// completion is struct io_uring_cqe.
type completion struct {
	userData uint64
	res      int32
	flags    uint32
}

// params is struct io_uring_params.
type params struct {
	sqEntries    uint32
	cqEntries    uint32
	flags        uint32
	sqThreadCPU  uint32
	sqThreadIdle uint32
	features     uint32
	wqFD         uint32
	resv         [3]uint32
	sqOff        submissionOffsets
	cqOff        completionOffsets
}

// submissionOffsets is struct io_sqring_offsets.
type submissionOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array, resv1 uint32
	userAddr                                                        uint64
}

// completionOffsets is struct io_cqring_offsets.
type completionOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags, resv1 uint32
	userAddr                                                        uint64
}

const (
	opNop    = 0  // IORING_OP_NOP
	opWritev = 2  // IORING_OP_WRITEV
	opWrite  = 23 // IORING_OP_WRITE

	offQueues      = 0          // IORING_OFF_SQ_RING; both queues with IORING_FEAT_SINGLE_MMAP
	offSubmissions = 0x10000000 // IORING_OFF_SQES

	featSingleMmap    = 1 << 0 // IORING_FEAT_SINGLE_MMAP, Linux 5.4
	featNoDrop        = 1 << 1 // IORING_FEAT_NODROP, Linux 5.5
	featNativeWorkers = 1 << 9 // IORING_FEAT_NATIVE_WORKERS, Linux 5.12

	sqOverflow = 1 << 1 // IORING_SQ_CQ_OVERFLOW

	enterGetEvents = 1 << 0 // IORING_ENTER_GETEVENTS
)
