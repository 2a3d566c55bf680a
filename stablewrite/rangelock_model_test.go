package stablewrite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// naiveLock is a model of a rangeLock. It has spans in the order in which they came; a
// span is held if it overlaps no earlier one.
type naiveLock struct{ all []*naiveSpan }

type naiveSpan struct {
	span
	lo, hi int64
	held   bool
}

// settle marks the spans that are held, and returns those that were not before, in order.
func (l *naiveLock) settle() (woken []*naiveSpan) {
	for i, s := range l.all {
		if s.held {
			continue
		}
		if !slices.ContainsFunc(l.all[:i], func(o *naiveSpan) bool { return o.lo < s.hi && s.lo < o.hi }) {
			s.held = true
			woken = append(woken, s)
		}
	}
	return woken
}

// Spans come or leave 100,000 times. The same ones are held, and the same ones are woken,
// in the same order, as in the model.
func TestRangeLockIsAsAListWouldBe(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	for name, draw := range map[string]func(*rand.Rand) (lo, n int64){
		"any":       func(r *rand.Rand) (int64, int64) { return r.Int64N(200), 1 + r.Int64N(20) },
		"the same":  func(r *rand.Rand) (int64, int64) { return 10 * r.Int64N(6), 10 },
		"contained": func(r *rand.Rand) (int64, int64) { n := int64(1) << r.IntN(7); return n * r.Int64N(128/n), n },
		"disjoint":  func(r *rand.Rand) (int64, int64) { return 10 * r.Int64N(400), 10 },
		"all":       func(r *rand.Rand) (int64, int64) { n := 1 + r.Int64N(3)*r.Int64N(2)*100; return r.Int64N(300), n },
		"few":       func(r *rand.Rand) (int64, int64) { return r.Int64N(4), 1 + r.Int64N(4) },
	} {
		rng := rand.New(rand.NewPCG(1, uint64(len(name))))
		l, m := new(rangeLock), new(naiveLock)
		var spare []*naiveSpan
		for step := range 100_000 / 6 {
			most := 48
			if step/500%2 == 1 { // empties it
				most = 0
			}
			var held []*naiveSpan
			for _, s := range m.all {
				if s.held {
					held = append(held, s)
				}
			}
			if len(held) == 0 || len(m.all) < most && rng.IntN(2) == 0 {
				s := new(naiveSpan)
				if k := len(spare); k > 0 { // storage is used again
					s, spare = spare[k-1], spare[:k-1]
				}
				lo, n := draw(rng)
				s.lo, s.hi, s.held = lo, lo+n, false
				m.all = append(m.all, s)
				want := len(m.settle()) > 0
				if got := l.enter(&s.span, s.lo, s.hi); got != want {
					t.Fatalf("%s, step %d: held at once %v, want %v", name, step, got, want)
				}
				continue
			}
			s := held[rng.IntN(len(held))]
			m.all = slices.DeleteFunc(m.all, func(o *naiveSpan) bool { return o == s })
			want := m.settle()
			var got []*span
			for w := l.leave(&s.span); w != nil; {
				next := w.woken
				w.woken = nil
				got = append(got, w)
				w = next
			}
			if len(got) != len(want) {
				t.Fatalf("%s, step %d: %d are woken, want %d", name, step, len(got), len(want))
			}
			for _, w := range want {
				if !slices.Contains(got, &w.span) {
					t.Fatalf("%s, step %d: one is not woken", name, step)
				}
			}
			if !slices.IsSortedFunc(got, func(a, b *span) int { return int(a.came) - int(b.came) }) {
				t.Fatalf("%s, step %d: woken out of order", name, step)
			}
			spare = append(spare, s)
			if l.idle() != (len(m.all) == 0) {
				t.Fatalf("%s, step %d: idle %v with %d spans", name, step, l.idle(), len(m.all))
			}
			if err := l.root.sound(); err != nil {
				t.Fatalf("%s, step %d: %v", name, step, err)
			}
		}
	}
}

// sound returns an error if a rule of the treap is broken.
func (n *span) sound() error {
	if n == nil {
		return nil
	}
	highest := n.end
	for _, c := range []*span{n.left, n.right} {
		if c == nil {
			continue
		}
		if highest = max(highest, c.highest); c.priority > n.priority || (c == n.left) != c.less(n.off, n.end) {
			return fmt.Errorf("[%d, %d) is below [%d, %d)", c.off, c.end, n.off, n.end)
		}
		if err := c.sound(); err != nil {
			return err
		}
	}
	if highest != n.highest || n.last == nil {
		return fmt.Errorf("[%d, %d) is said to reach to %d", n.off, n.end, n.highest)
	}
	return nil
}

// Overlapping spans are held in the order in which they came, by goroutines that wait.
func TestRangeLockIsFirstComeFirstServed(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	const waiters = 64
	l, first := new(rangeLock), new(span)
	l.lock(first, 0, 100)
	came := make(chan int, waiters)
	for k := range waiters {
		go func() {
			var s span
			l.lock(&s, int64(k%50), int64(51+k%40)) // all contain byte 50
			came <- k
			l.unlock(&s)
		}()
		for n := uint64(0); n < uint64(k+2); time.Sleep(10 * time.Microsecond) {
			l.mu.Lock()
			n = l.came
			l.mu.Unlock()
		}
	}
	l.unlock(first)
	for want := range waiters {
		if k := <-came; k != want {
			t.Fatalf("%d came before %d", k, want)
		}
	}
	if !l.idle() {
		t.Error("spans left behind")
	}
}

// BenchmarkRangeLock measures a lock and unlock of 4 KiB with 1000 and with 16000 ranges
// locked, in turn.
func BenchmarkRangeLock(b *testing.B) {
	type bench struct {
		l     rangeLock
		spans []span
		at    []int64
		free  []int64
		took  time.Duration
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var all []*bench
	for _, n := range []int{1000, 16000} {
		x := &bench{spans: make([]span, n), at: make([]int64, n)}
		for i, k := range rng.Perm(4 * n) {
			if i < n {
				x.at[i] = int64(k) * kib4
				x.l.lock(&x.spans[i], x.at[i], x.at[i]+kib4)
			} else {
				x.free = append(x.free, int64(k)*kib4)
			}
		}
		all = append(all, x)
	}
	const batch = 1000
	for i := 0; i < b.N; i += batch {
		for _, x := range all {
			began := time.Now()
			for range batch {
				k, j := rng.IntN(len(x.spans)), rng.IntN(len(x.free))
				x.l.unlock(&x.spans[k])
				x.at[k], x.free[j] = x.free[j], x.at[k]
				x.l.lock(&x.spans[k], x.at[k], x.at[k]+kib4)
			}
			x.took += time.Since(began)
		}
	}
	n := float64((b.N + batch - 1) / batch * batch)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(all[0].took.Nanoseconds())/n, "ns/1000")
	b.ReportMetric(float64(all[1].took.Nanoseconds())/n, "ns/16000")
	b.ReportMetric(float64(all[1].took)/float64(all[0].took), "ratio")
}
