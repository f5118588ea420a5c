// Package chunks gathers and sorts many elements where nothing may take long at a
// time: a slice would be copied as a whole each time that it grows, and its memory
// made and zeroed at once.
package chunks

import (
	"iter"
	"slices"
)

// most is how many elements lie together. Who allocates while the garbage collector runs
// has to help it, for the more of its time the larger the piece: some milliseconds for 64 KB.
const most = 256

// List is elements in the order in which they were added. Its zero value is empty.
type List[T any] struct {
	chunks [][]T
	n      int
}

// Add adds an element to the end.
func (l *List[T]) Add(e T) {
	last := len(l.chunks) - 1
	if last < 0 || len(l.chunks[last]) == most {
		var chunk []T // the first one grows
		if last >= 0 {
			chunk = make([]T, 0, most)
		}
		l.chunks = append(l.chunks, chunk)
		last++
	}
	l.chunks[last] = append(l.chunks[last], e)
	l.n++
}

// TakeSome removes some elements, and returns them; nil: there are none left.
func (l *List[T]) TakeSome() []T {
	last := len(l.chunks) - 1
	if last < 0 {
		return nil
	}
	some := l.chunks[last]
	l.chunks[last], l.chunks = nil, l.chunks[:last]
	l.n -= len(some)
	return some
}

// Len is the number of elements.
func (l *List[T]) Len() int { return l.n }

// All are pointers to the elements, in order. They stay valid.
func (l *List[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for _, chunk := range l.chunks {
			for i := range chunk {
				if !yield(&chunk[i]) {
					return
				}
			}
		}
	}
}

// Sorted are pointers to the elements in ascending order; which of equal ones comes
// first is open. It may be called once, and changes the order of All. next is called for
// each comparison; once it has returned false no other is made and nothing more comes.
//
// Each chunk is sorted by itself, before the first element comes; then they are merged
// as it goes, so that who wants a few has not sorted all.
func (l *List[T]) Sorted(compare func(a, b T) int, next func() bool) iter.Seq[*T] {
	stopped := false
	compared := func(a, b T) int {
		if stopped = stopped || !next(); stopped {
			return 0
		}
		return compare(a, b)
	}
	return func(yield func(*T) bool) {
		for _, chunk := range l.chunks {
			if slices.SortFunc(chunk, compared); stopped {
				return
			}
		}
		m := newMerge(l.chunks, compared)
		for e := m.take(); e != nil && !stopped && yield(e); {
			e = m.take()
		}
	}
}

// merge is a tournament of sorted chunks: each inner node of a binary tree remembers
// who lost there, so that after one is taken only its way up is played again.
type merge[T any] struct {
	chunks  [][]T // what is left of each
	compare func(a, b T) int
	losers  []int // by node, 1 is the root; -1: nobody
	winner  int
}

func newMerge[T any](chunks [][]T, compare func(a, b T) int) *merge[T] {
	m := &merge[T]{chunks: slices.Clone(chunks), compare: compare, losers: make([]int, max(1, len(chunks))), winner: -1}
	if len(chunks) > 0 {
		m.winner = m.play(1)
	}
	return m
}

// play holds the tournament below a node and returns who wins it. Chunk i is node
// len(chunks)+i.
func (m *merge[T]) play(node int) (winner int) {
	if node >= len(m.chunks) {
		return node - len(m.chunks)
	}
	winner, m.losers[node] = m.better(m.play(2*node), m.play(2*node+1))
	return winner
}

// better orders two chunks by their first elements; empty ones lose.
func (m *merge[T]) better(a, b int) (winner, loser int) {
	switch left, right := m.chunks[a], m.chunks[b]; {
	case len(right) == 0:
	case len(left) == 0, m.compare(right[0], left[0]) < 0:
		return b, a
	}
	return a, b
}

// take returns the lowest element that was not taken, nil when all were.
func (m *merge[T]) take() *T {
	if m.winner < 0 || len(m.chunks[m.winner]) == 0 {
		return nil
	}
	e := &m.chunks[m.winner][0]
	m.chunks[m.winner] = m.chunks[m.winner][1:]
	for node := (len(m.chunks) + m.winner) / 2; node > 0; node /= 2 {
		m.winner, m.losers[node] = m.better(m.winner, m.losers[node])
	}
	return e
}

// Texts keeps copies of byte slices, many to a piece of memory. Its zero value is
// empty.
type Texts struct{ room []byte }

// textRoom is how many bytes are made at a time, at most: texts that fill much of it
// get memory of their own.
const textRoom = 16 << 10

// Keep returns a copy of text, not nil.
func (t *Texts) Keep(text []byte) []byte {
	n := len(t.room)
	if t.room == nil || len(text) > cap(t.room)-n {
		if len(text) > textRoom/8 {
			return slices.Clone(text)
		}
		t.room, n = make([]byte, 0, max(len(text), min(2*cap(t.room), textRoom), 256)), 0
	}
	t.room = append(t.room, text...)
	return t.room[n:len(t.room):len(t.room)]
}
