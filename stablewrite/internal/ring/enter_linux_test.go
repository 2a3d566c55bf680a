package ring

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// An answer is one return of io_uring_enter: whether the kernel is entered, and the
// result that the caller gets instead of the kernel's.
type answer struct {
	entered   bool
	submitted int
	errno     unix.Errno
}

// answered makes a ring whose io_uring_enter returns the answers one by one, and then
// calls the kernel. It counts the calls.
func answered(t *testing.T, answers *[]answer) (r *Ring, calls *int) {
	calls = new(int)
	k := linux
	k.enter = func(fd int, submit, complete, flags uint32) (int, unix.Errno) {
		*calls++
		if len(*answers) == 0 {
			return linux.enter(fd, submit, complete, flags)
		}
		a := (*answers)[0]
		*answers = (*answers)[1:]
		if a.entered {
			linux.enter(fd, submit, complete, flags)
		}
		return a.submitted, a.errno
	}
	return openWith(t, 4, k), calls
}

func TestSubmissionIsTakenOrWithdrawn(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []answer
		want    error // nil: taken
		calls   int
	}{
		{"taken", []answer{{true, 1, 0}}, nil, 1},
		{"interrupted before it was taken", []answer{{false, -1, unix.EINTR}}, nil, 2},
		{"interrupted many times", []answer{{false, -1, unix.EINTR}, {false, -1, unix.EINTR}, {false, -1, unix.EINTR}}, nil, 4},
		{"interrupted after it was taken", []answer{{true, -1, unix.EINTR}}, nil, 1},
		{"taken with an error", []answer{{true, -1, unix.EAGAIN}}, nil, 1},
		{"taken and not counted", []answer{{true, 0, 0}}, nil, 1},
		{"EAGAIN", []answer{{false, -1, unix.EAGAIN}}, unix.EAGAIN, 1},
		{"EBUSY", []answer{{false, -1, unix.EBUSY}}, unix.EBUSY, 1},
		{"ENOMEM", []answer{{false, -1, unix.ENOMEM}}, unix.ENOMEM, 1},
		{"EPERM", []answer{{false, -1, unix.EPERM}}, unix.EPERM, 1},
		{"interrupted, then refused", []answer{{false, -1, unix.EINTR}, {false, -1, unix.EBUSY}}, unix.EBUSY, 2},
		{"0 submitted", []answer{{false, 0, 0}}, unix.EAGAIN, 1},
		{"counted and not taken", []answer{{false, 1, 0}}, unix.EAGAIN, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers := tt.answers
			r, calls := answered(t, &answers)
			for tag := range uint64(20) { // more than the queues have room for
				answers, *calls = tt.answers, 0
				if err := r.Nop(tag); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
					t.Fatalf("submitted: %v, want %v", err, tt.want)
				}
				if *calls != tt.calls {
					t.Errorf("entered %d times, want %d", *calls, tt.calls)
				}
				if tt.want == nil {
					if got := next(t, r); got != (result{tag, 0}) {
						t.Errorf("completion %+v, want tag %d", got, tag)
					}
				}
				none(t, r)
				must(t, r.Nop(100+tag))
				if got := next(t, r); got != (result{100 + tag, 0}) {
					t.Errorf("the next completion is %+v, want tag %d", got, 100+tag)
				}
				none(t, r)
			}
		})
	}
}

func TestSubmissionMayCompleteLater(t *testing.T) {
	limit(t)
	var taken []submission
	f := newFake(t, 2, &fake{enter: func(f *fake, submit, complete, _ uint32) (int, unix.Errno) {
		for range submit {
			taken = append(taken, f.take())
		}
		if complete > 0 {
			f.post(taken[0].userData, 0)
			taken = taken[1:]
		}
		return int(submit), 0
	}})
	for tag := range uint64(4) {
		must(t, f.Nop(tag))
	}
	if _, _, ok := f.Reap(); ok || f.inFlight != 4 {
		t.Errorf("before any completed: reaped %v, %d in flight", ok, f.inFlight)
	}
	for tag := range uint64(4) {
		if got := next(t, f.Ring); got.tag != tag {
			t.Errorf("reaped tag %d, want %d", got.tag, tag)
		}
	}
	none(t, f.Ring)
}

func TestWaitReturnsWithACompletionOrAnError(t *testing.T) {
	for _, tt := range []struct {
		name      string
		completed bool // before Wait is called
		answers   []answer
		want      error
		calls     int
	}{
		{"a completion is there", true, nil, nil, 0},
		{"a completion comes", false, nil, nil, 1},
		{"interrupted before it comes", false, []answer{{false, -1, unix.EINTR}, {false, -1, unix.EINTR}}, nil, 3},
		{"interrupted when it is there", false, []answer{{true, -1, unix.EINTR}}, nil, 1},
		{"EAGAIN", false, []answer{{false, -1, unix.EAGAIN}}, unix.EAGAIN, 1},
		{"EBUSY", false, []answer{{false, -1, unix.EBUSY}}, unix.EBUSY, 1},
		{"EBADR", false, []answer{{false, -1, unix.EBADR}}, unix.EBADR, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var answers []answer
			r, calls := answered(t, &answers)
			pr, pw := fullPipe(t)
			if tt.completed {
				must(t, r.Nop(1))
			} else {
				// It completes when the pipe is read, before the kernel is entered.
				must(t, r.Write(pw, make([]byte, 1), 0, 1))
				enter := r.enter
				r.enter = func(fd int, submit, complete, flags uint32) (int, unix.Errno) {
					if len(answers) == 0 || answers[0].entered {
						unix.Read(pr, make([]byte, pipeBytes))
					}
					return enter(fd, submit, complete, flags)
				}
			}
			answers, *calls = tt.answers, 0
			if err := r.Wait(); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("Wait: %v, want %v", err, tt.want)
			}
			if *calls != tt.calls {
				t.Errorf("entered %d times, want %d", *calls, tt.calls)
			}
			if got := next(t, r); got.tag != 1 {
				t.Errorf("completion %+v", got)
			}
		})
	}
}
