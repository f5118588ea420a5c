package resp

import "strconv"

// What files say about the stream to replicas: a node that begins with one goes on in it.
const (
	auxStreamDB     = "repl-stream-db" // selected in the stream at that moment
	auxStreamID     = "repl-id"
	auxStreamOffset = "repl-offset"
)

// streamFields are those of a file.
type streamFields struct {
	db, id, offset string
	resumed        bool
}

func (s *streamFields) take(name, value string) {
	switch name {
	case auxStreamDB:
		s.db = value
	case auxStreamID:
		s.id = value
	case auxStreamOffset:
		s.offset = value
	}
}

// database is the one that was selected; 0 where that is not known.
func (s *streamFields) database(d *Dispatcher) int {
	if n, err := strconv.Atoi(s.db); err == nil && n >= 0 && n < d.store.Databases() {
		return n
	}
	return 0
}

// streamAux says at the moment of a snapshot where the stream is. All locks are held, and
// no command of the primary is between its run and its being counted.
func (d *Dispatcher) streamAux() [][2]string {
	known, db := d.follow.place()
	f := &d.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.backlog == nil || d.repl != nil:
		return nil // nobody has followed it
	case !f.relays:
		db = max(f.db, 0)
	case !known:
		return nil
	}
	return [][2]string{{auxStreamDB, strconv.Itoa(db)}, {auxStreamID, f.id}, {auxStreamOffset, strconv.FormatUint(f.offset, 10)}}
}

// resumeStream goes on in the stream that a file tells of: a replica asks for what follows;
// a primary begins a new one there, which those who were there go on in. Called before
// the node serves.
func (d *Dispatcher) resumeStream(s *streamFields) {
	if s.resumed {
		return
	}
	offset, err := strconv.ParseUint(s.offset, 10, 63)
	if s.resumed = true; err != nil || len(s.id) != syncMark || d.repl != nil {
		return
	}
	cfg := &d.config.Config().Replication
	d.feed.begun(s.id, offset, cfg.LogSize)
	if cfg.Primary == "" {
		d.feed.lead()
		return
	}
	f := &d.follow
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loaded, f.db = true, s.database(d)
}
