package rdb

import "encoding/binary"

// StreamID is the ID of a stream entry.
type StreamID struct{ Ms, Seq uint64 }

// StreamState is what a stream remembers.
type StreamState struct {
	Length     uint64
	Last       StreamID
	First      StreamID // with Told
	MaxDeleted StreamID // with Told
	Added      uint64   // with Told
	Told       bool     // not by the oldest encoding
}

// StreamSink takes a stream, after Sink.Begin in the order of the methods; for each
// group first its pending entries, then its consumers, each with those it owns.
type StreamSink interface {
	// StreamBlock is one of the listpacks, n entries without header and end.
	StreamBlock(id StreamID, entries []byte, n int) error
	StreamState(s *StreamState) error
	// StreamGroup: read is the number of entries read, -1 unknown, with told.
	StreamGroup(name []byte, last StreamID, read int64, told bool) error
	// StreamPending: time is in Unix milliseconds, count that of deliveries.
	StreamPending(id StreamID, time, count int64) error
	StreamConsumer(name []byte, seen, active int64) error
	StreamOwned(id StreamID) error
}

func (v *valueReader) readStream(t Type) {
	blocks := v.count()
	if v.err != nil || !v.keep(v.sink.Begin(KindStream, blocks)) {
		return
	}
	for range blocks {
		id := v.str(&v.a)
		if v.err == nil && len(id) != 16 {
			v.fail("an ID of %d bytes", len(id))
		}
		if v.err != nil {
			return
		}
		at := rawID(id)
		lp := newListpack(v.str(&v.a))
		if v.err != nil {
			return
		}
		for ok := true; ok; {
			_, ok = lp.next()
		}
		if v.whole(lp.whole(), nil); v.err != nil ||
			!v.keep(v.sink.StreamBlock(at, lp.b[listpackHeader:len(lp.b)-1], lp.count)) {
			return
		}
	}
	s := StreamState{Length: v.count(), Last: v.streamID(), Told: t != TypeStreamListpacks}
	if s.Told {
		s.First, s.MaxDeleted, s.Added = v.streamID(), v.streamID(), v.count()
	}
	if v.err != nil || !v.keep(v.sink.StreamState(&s)) {
		return
	}
	for n := v.count(); n > 0 && v.err == nil; n-- {
		v.streamGroup(t)
	}
}

func (v *valueReader) streamGroup(t Type) {
	name := v.str(&v.a)
	last, read, told := v.streamID(), int64(-1), t != TypeStreamListpacks
	if told {
		read = int64(v.count()) // -1 is written as the largest number
	}
	if v.err != nil || !v.keep(v.sink.StreamGroup(name, last, read, told)) {
		return
	}
	for n := v.count(); n > 0 && v.err == nil; n-- {
		id, time, count := v.rawStreamID(), v.millis(), v.count()
		if v.err == nil {
			v.keep(v.sink.StreamPending(id, time, int64(count)))
		}
	}
	for n := v.count(); n > 0 && v.err == nil; n-- {
		name := v.str(&v.a)
		seen := v.millis()
		active := seen // the best guess
		if t == TypeStreamListpacks3 {
			active = v.millis()
		}
		if v.err == nil {
			v.keep(v.sink.StreamConsumer(name, seen, active))
		}
		for n := v.count(); n > 0 && v.err == nil; n-- {
			if id := v.rawStreamID(); v.err == nil {
				v.keep(v.sink.StreamOwned(id))
			}
		}
	}
}

func (v *valueReader) streamID() StreamID {
	ms := v.count()
	return StreamID{ms, v.count()}
}

func (v *valueReader) rawStreamID() StreamID {
	v.reader.read(v.buf[:16])
	return rawID(v.buf[:16])
}

func rawID(b []byte) StreamID {
	return StreamID{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// AppendRawID appends an ID of 16 bytes.
func AppendRawID(dst []byte, id StreamID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, id.Ms), id.Seq)
}

// AppendStreamID appends an ID as two lengths.
func AppendStreamID(dst []byte, id StreamID) []byte {
	return AppendLen(AppendLen(dst, id.Ms), id.Seq)
}

// AppendStreamBlock appends a block of a stream: n entries without header and end.
func AppendStreamBlock(dst []byte, id StreamID, entries []byte, n int, compress bool) []byte {
	dst = AppendRawID(AppendLen(dst, 16), id)
	return AppendListpack(dst, entries, n, compress)
}
