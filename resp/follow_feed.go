package resp

import "time"

// What becomes of the stream to this node's own replicas while it follows a primary.

// follow makes the stream, as far as it has come, one that another may go on with, and
// returns which database is selected at its end.
func (f *replicaFeed) follow() (db int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.relays = true
	f.countUsers()
	return max(f.db, 0)
}

// begun makes the stream the primary's of that name, which had that many bytes when the
// snapshot was taken that is the keyspace now.
func (f *replicaFeed) begun(id string, offset uint64, backlogSize int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id, f.former, f.offset = id, "", offset
	f.backlog = &backlog{size: backlogSize, start: offset}
	f.countUsers()
}

// continueAs says by which name the stream goes on.
func (f *replicaFeed) continueAs(id string, backlogSize int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.backlog == nil {
		f.backlog = &backlog{size: backlogSize, start: f.offset}
	}
	if id == "" || id == f.id {
		return
	}
	f.former, f.until, f.id = f.id, f.offset, id
	f.closeReplicas() // they learn the name when they come back
}

// lead begins a stream of this node's own where that of its primary ended: who was there
// may go on in it.
func (f *replicaFeed) lead() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.relays = false
	f.former, f.until, f.id, f.db = f.id, f.offset, randomID(), -1
	f.alone = time.Now()
	f.countUsers()
	f.closeReplicas()
}

// resize changes how much of the stream is kept.
func (f *replicaFeed) resize(size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.backlog != nil {
		f.backlog.size = size
		f.backlog.trim()
		f.backlog.spare = nil
	}
}

// relay hands bytes of the primary's stream on.
func (f *replicaFeed) relay(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(b)
}

// position is how many bytes the stream has.
func (f *replicaFeed) position() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.offset
}

// name is that of the stream, and its position.
func (f *replicaFeed) name() (id string, offset uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.id, f.offset
}

// dropReplicas ends the connections to all replicas.
func (f *replicaFeed) dropReplicas() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closeReplicas()
}

// closeReplicas is dropReplicas with mu held.
func (f *replicaFeed) closeReplicas() {
	for _, r := range f.replicas {
		r.client.Close()
	}
}
