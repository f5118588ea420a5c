package persistence

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"respkv/internal/rdb"
	"respkv/store"
)

// Loader reads files into a keyspace that nobody else uses yet.
type Loader struct {
	Store     *store.Store
	MaxString int64
	Checksum  bool // that of the file must be right
	// Function is given the source of each library of functions; nil: a file that
	// has one is refused.
	Function func(code []byte) error
	// KeepExpired loads keys past their deadline, too.
	KeepExpired bool
	// Replace puts keys in the place of those that are there; else that is an error.
	Replace bool
	// Expired is told of each key that is left out since it is past its deadline; nil:
	// nobody is.
	Expired func(db int, name []byte)
	// Aux is told what the file says about itself; nil: nobody is.
	Aux func(name, value string)
	// AllLocked: the caller holds the locks of all shards.
	AllLocked bool
	Logger    *slog.Logger
}

// Loaded is what was in a file.
type Loaded struct {
	Keys    int64 // loaded
	Expired int64 // left out: past their deadline
	Empty   int64 // left out: collections without elements, as old versions wrote them
	Bytes   int64
	Took    time.Duration
}

// LoadFile loads the file at path. On an error, which tells the offset of what is
// wrong, keys loaded so far are in the keyspace: it is not to be used.
func (l *Loader) LoadFile(path string) (Loaded, error) {
	in, err := os.Open(path)
	if err != nil {
		return Loaded{}, err
	}
	defer in.Close()
	loaded, err := l.Load(in)
	if err != nil {
		err = fmt.Errorf("loading %s: %w", path, err)
	}
	return loaded, err
}

// Load is LoadFile for what in yields.
func (l *Loader) Load(in io.Reader) (Loaded, error) {
	start := time.Now()
	s := fileSink{l: l, now: start.UnixMilli()}
	read, err := rdb.ReadFile(in, rdb.FileOptions{
		Databases: l.Store.Databases(), MaxString: uint64(l.MaxString), Checksum: l.Checksum,
	}, &s)
	s.loaded.Bytes = read
	s.value.close()
	s.unlock()
	s.loaded.Took = time.Since(start)
	return s.loaded, err
}

// fileSink puts keys into the keyspace. It implements rdb.FileSink. The lock of a
// key's shard is held from Key to Done.
type fileSink struct {
	l      *Loader
	now    int64
	tx     store.Tx
	value  importSink
	key    rdb.Key
	wanted bool // the key being read is kept; then its shard is locked
	loaded Loaded
}

// Key implements rdb.FileSink.
func (s *fileSink) Key(k *rdb.Key) (rdb.Sink, error) {
	s.value = importSink{}
	if k.Deadline > 0 && k.Deadline < s.now && !s.l.KeepExpired {
		s.loaded.Expired++
		if s.l.Expired != nil {
			s.l.Expired(k.DB, k.Name)
		}
		return nil, nil
	}
	s.key = *k
	s.key.Name = append(s.key.Name[:0:0], k.Name...)
	s.tx = store.Tx{Store: s.l.Store, DB: k.DB, Now: s.now, IgnoreDeadlines: true, NoTouch: true}
	s.value = importSink{tx: &s.tx, key: store.MakeKey(s.key.Name)}
	if !s.l.AllLocked {
		s.l.Store.LockShard(s.value.key.Shard())
	}
	s.wanted = true
	if s.tx.Exists(s.value.key) && !s.l.Replace {
		return nil, fmt.Errorf("key %.100q comes twice", k.Name)
	}
	return &s.value, nil
}

// Done implements rdb.FileSink.
func (s *fileSink) Done(err error) error {
	defer s.unlock()
	switch {
	case !s.wanted:
		return nil
	case errors.Is(err, rdb.ErrEmpty):
		s.value.close()
		s.loaded.Empty++
		return nil
	}
	access := store.Access{Idle: s.key.Idle, Freq: s.key.Freq}
	if err := s.value.Store(&s.tx, s.value.key, s.key.Deadline, access); err != nil {
		return fmt.Errorf("key %.100q: %w", s.key.Name, err)
	}
	s.loaded.Keys++
	return nil
}

func (s *fileSink) unlock() {
	if s.wanted && !s.l.AllLocked {
		s.l.Store.UnlockShard(s.value.key.Shard())
	}
	s.wanted = false
}

// Aux implements rdb.FileSink.
func (s *fileSink) Aux(name, value []byte) error {
	if s.l.Aux != nil {
		s.l.Aux(string(name), string(value))
	}
	switch string(name) {
	case "redis-ver", "ctime":
		s.l.Logger.Info("the file says", "name", string(name), "value", string(value))
	}
	return nil
}

// Function implements rdb.FileSink.
func (s *fileSink) Function(code []byte) error {
	if s.l.Function == nil {
		return errors.New("the file has a library of functions, which this version does not run")
	}
	return s.l.Function(append([]byte(nil), code...))
}

// ModuleAux implements rdb.FileSink.
func (s *fileSink) ModuleAux(module string) {
	s.l.Logger.Warn("data of a module is left out: there are no modules here", "module", module)
}
