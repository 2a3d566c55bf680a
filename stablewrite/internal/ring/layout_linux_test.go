package ring

import (
	"testing"
	"unsafe"
)

func TestLayoutIsThatOfTheKernel(t *testing.T) {
	var s submission
	var c completion
	var p params
	for _, tt := range []struct {
		name      string
		got, want uintptr
	}{
		{"sizeof(struct io_uring_sqe)", unsafe.Sizeof(s), 64},
		{"io_uring_sqe.fd", unsafe.Offsetof(s.fd), 4},
		{"io_uring_sqe.off", unsafe.Offsetof(s.off), 8},
		{"io_uring_sqe.addr", unsafe.Offsetof(s.addr), 16},
		{"io_uring_sqe.len", unsafe.Offsetof(s.len), 24},
		{"io_uring_sqe.rw_flags", unsafe.Offsetof(s.rwFlags), 28},
		{"io_uring_sqe.user_data", unsafe.Offsetof(s.userData), 32},
		{"sizeof(struct io_uring_cqe)", unsafe.Sizeof(c), 16},
		{"io_uring_cqe.res", unsafe.Offsetof(c.res), 8},
		{"sizeof(struct io_uring_params)", unsafe.Sizeof(p), 120},
		{"io_uring_params.features", unsafe.Offsetof(p.features), 20},
		{"io_uring_params.sq_off", unsafe.Offsetof(p.sqOff), 40},
		{"io_uring_params.cq_off", unsafe.Offsetof(p.cqOff), 80},
		{"io_sqring_offsets.array", unsafe.Offsetof(p.sqOff.array), 24},
		{"io_cqring_offsets.cqes", unsafe.Offsetof(p.cqOff.cqes), 20},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %d, want %d", tt.name, tt.got, tt.want)
		}
	}
}
