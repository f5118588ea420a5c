package persistence

import (
	"math"

	"respkv/internal/rdb"
	"respkv/store"
)

// appendBlocks appends some blocks of a stream from an ID on. more: there are others,
// from next on.
func appendBlocks(dst []byte, s *store.Stream, from store.StreamID, compress bool) (_ []byte, next store.StreamID, more bool) {
	begin := len(dst)
	s.Blocks(from, func(id store.StreamID, parts []byte, n int) bool {
		if len(dst)-begin > stepBytes {
			next, more = id, true
			return false
		}
		dst = rdb.AppendStreamBlock(dst, rdb.StreamID(id), parts, n, compress)
		return true
	})
	return dst, next, more
}

// appendStreamRest appends what follows the blocks: the state and the groups.
func appendStreamRest(dst []byte, s *store.Stream) []byte {
	info := s.Info()
	dst = rdb.AppendLen(dst, uint64(info.Length))
	for _, id := range [...]store.StreamID{info.Last, info.First, info.MaxDeleted} {
		dst = rdb.AppendStreamID(dst, rdb.StreamID(id))
	}
	dst = rdb.AppendLen(dst, info.Added)
	groups := s.Groups()
	dst = rdb.AppendLen(dst, uint64(len(groups)))
	for _, g := range groups {
		dst = appendGroup(dst, g)
	}
	return dst
}

func appendGroup(dst []byte, g *store.StreamGroup) []byte {
	dst = rdb.AppendString(dst, []byte(g.Name), false)
	dst = rdb.AppendStreamID(dst, rdb.StreamID(g.Last))
	dst = rdb.AppendLen(dst, uint64(g.Read)) // unknown, which is -1, becomes the largest number
	dst = rdb.AppendLen(dst, uint64(g.Len()))
	g.EachPending(nil, store.StreamID{}, func(p store.Pending) bool {
		dst = rdb.AppendRawID(dst, rdb.StreamID(p.ID))
		dst = rdb.AppendLen(rdb.AppendMillis(dst, p.Time), uint64(p.Count))
		return true
	})
	consumers := g.Consumers()
	dst = rdb.AppendLen(dst, uint64(len(consumers)))
	for _, c := range consumers {
		dst = rdb.AppendMillis(rdb.AppendString(dst, []byte(c.Name), false), c.Seen)
		dst = rdb.AppendLen(dst, uint64(g.PendingOf(c)))
		g.EachPending(c, store.StreamID{}, func(p store.Pending) bool {
			dst = rdb.AppendRawID(dst, rdb.StreamID(p.ID))
			return true
		})
	}
	return dst
}

// StreamBlock implements rdb.StreamSink.
func (s *importSink) StreamBlock(id rdb.StreamID, entries []byte, n int) error {
	return s.added(s.stream.AddParts(store.StreamID(id), entries, n))
}

// StreamState implements rdb.StreamSink. What the first entry is, the entries tell.
func (s *importSink) StreamState(st *rdb.StreamState) error {
	if st.Length != uint64(s.stream.Len()) {
		return store.ErrBadPayload
	}
	added := st.Added
	if !st.Told {
		added = st.Length
	}
	return s.stream.SetState(store.StreamID(st.Last), store.StreamID(st.MaxDeleted), added)
}

// StreamGroup implements rdb.StreamSink.
func (s *importSink) StreamGroup(name []byte, last rdb.StreamID, read int64, told bool) error {
	if !told {
		read = s.stream.Distance(store.StreamID(last))
	}
	return s.stream.AddGroup(name, store.StreamID(last), read)
}

// StreamPending implements rdb.StreamSink.
func (s *importSink) StreamPending(id rdb.StreamID, time, count int64) error {
	if time < 0 || count < 0 || count > math.MaxInt32 {
		return store.ErrBadPayload
	}
	return s.added(s.stream.AddPending(store.StreamID(id), time, count))
}

// StreamConsumer implements rdb.StreamSink.
func (s *importSink) StreamConsumer(name []byte, seen, active int64) (err error) {
	s.consumer, err = s.stream.AddConsumer(name, seen, active)
	return err
}

// StreamOwned implements rdb.StreamSink.
func (s *importSink) StreamOwned(id rdb.StreamID) error {
	return s.added(s.stream.Own(s.consumer, store.StreamID(id)))
}
