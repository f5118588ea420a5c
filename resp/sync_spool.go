package resp

import (
	"io"
	"os"
	"sync"
)

// spool passes bytes from one goroutine to another. The writer never waits for the
// reader: what that has not taken stays in memory, up to spoolMemory, and past that in a
// file without a name, until the reader has caught up.
type spool struct {
	dir string

	mu     sync.Mutex // guards below
	wake   sync.Cond  // on mu: something came
	memory []byte
	file   *os.File // nil: never needed
	read   int64    // of file
	length int64    // of file; 0: bytes go to memory
	err    error    // how it ended; io.EOF: well
}

const spoolMemory = 8 << 20

func newSpool(dir string) *spool {
	s := &spool{dir: dir}
	s.wake.L = &s.mu
	return s
}

// Write implements io.Writer.
func (s *spool) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.wake.Signal()
	if s.length == 0 && (len(s.memory) == 0 || len(s.memory)+len(b) <= spoolMemory) {
		s.memory = append(s.memory, b...)
		return len(b), nil
	}
	if s.file == nil {
		var err error
		if s.file, err = nameless(s.dir); err != nil {
			return 0, err
		}
	}
	n, err := s.file.WriteAt(b, s.length)
	s.length += int64(n)
	return n, err
}

// finish is the end of what is written; nil: it is whole.
func (s *spool) finish(err error) {
	if err == nil {
		err = io.EOF
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.wake.Signal()
}

// Read implements io.Reader.
func (s *spool) Read(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.memory) == 0 && s.length == 0 && s.err == nil {
		s.wake.Wait()
	}
	switch {
	case s.err != nil && s.err != io.EOF:
		return 0, s.err
	case len(s.memory) > 0:
		n = copy(b, s.memory)
		if s.memory = s.memory[n:]; len(s.memory) == 0 {
			s.memory = nil
		}
		return n, nil
	case s.length == 0:
		return 0, io.EOF
	}
	n, err = s.file.ReadAt(b[:min(int64(len(b)), s.length-s.read)], s.read)
	if s.read += int64(n); s.read == s.length {
		s.read, s.length = 0, 0
	}
	return n, err
}

// close frees the file. Nobody reads or writes any more.
func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}
