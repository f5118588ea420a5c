package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// Raft's files are looked at as a whole before they are opened: the library
// that reads raft.db trusts it, and a damaged one would end the process with a
// panic or a bus error in place of a message. This is the format of its pages:
//
//	page     id 8, flags 2, count 2, overflow 4 (pages that follow), then
//	 meta    magic 4, version 4, page size 4, flags 4, root 8, sequence 8,
//	         freelist 8, pages 8, transaction 8, FNV-1a of these 8
//	 branch  count times: position 4, key size 4, page 8
//	 leaf    count times: flags 4, position 4, key size 4, value size 4
//
// Positions count from the element they are in. The value of a bucket (flag 1)
// begins with its root page; 0: its page follows inside the value.
const (
	pageHeader  = 16
	metaSize    = 64
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	element     = 16
	pageBranch  = 1
	pageLeaf    = 2
	leafBucket  = 1
	maxDepth    = 32 // of a tree: more is a circle
)

// dbCheck walks the pages of raft.db.
type dbCheck struct {
	file     io.ReaderAt
	pageSize uint64
	pages    uint64 // in use or free: none has a higher number
	seen     map[uint64]bool
}

// checkDB reports what is wrong with the pages of the file; nil for one that
// does not exist or is empty.
func checkDB(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("it is a directory")
	}
	if info.Size() == 0 {
		return nil
	}
	c := &dbCheck{file: file, seen: map[uint64]bool{}}
	var root, newest uint64
	for i := range uint64(2) {
		r, transaction, err := c.meta(i)
		if err != nil {
			return err
		}
		if i == 0 || transaction > newest {
			root, newest = r, transaction
		}
	}
	if uint64(info.Size())/c.pageSize < c.pages {
		return fmt.Errorf("it is cut short: %d bytes of %d", info.Size(), c.pages*c.pageSize)
	}
	return c.tree(root, span{}, maxDepth)
}

// meta reads one of the two meta pages, in turn.
func (c *dbCheck) meta(i uint64) (root, transaction uint64, err error) {
	var b [pageHeader + metaSize]byte
	if _, err := c.file.ReadAt(b[:], int64(i*c.pageSize)); err != nil { // both sizes of page 0
		return 0, 0, fmt.Errorf("meta page %d cannot be read: %w", i, err)
	}
	m := b[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(m[:metaSize-8])
	size := uint64(binary.LittleEndian.Uint32(m[8:]))
	if binary.LittleEndian.Uint32(m) != metaMagic || binary.LittleEndian.Uint32(m[4:]) != metaVersion ||
		binary.LittleEndian.Uint64(m[metaSize-8:]) != sum.Sum64() || size < 512 || i > 0 && size != c.pageSize {
		return 0, 0, fmt.Errorf("meta page %d is damaged", i)
	}
	c.pageSize = size
	c.pages = max(c.pages, binary.LittleEndian.Uint64(m[40:]))
	return binary.LittleEndian.Uint64(m[16:]), binary.LittleEndian.Uint64(m[48:]), nil
}

// span is where the keys of a page lie: not below from, below to; nil: no limit.
type span struct{ from, to []byte }

// tree checks a page and those below it.
func (c *dbCheck) tree(id uint64, keys span, depth int) error {
	damaged := func(what string) error { return fmt.Errorf("page %d: %s", id, what) }
	if id < 2 || id >= c.pages || depth == 0 {
		return damaged("out of place")
	}
	var head [pageHeader]byte
	if _, err := c.file.ReadAt(head[:], int64(id*c.pageSize)); err != nil {
		return damaged(err.Error())
	}
	length := uint64(binary.LittleEndian.Uint32(head[12:])) + 1
	if binary.LittleEndian.Uint64(head[:]) != id || length > c.pages-id {
		return damaged("damaged header")
	}
	for k := id; k < id+length; k++ {
		if c.seen[k] {
			return damaged("in use twice")
		}
		c.seen[k] = true
	}
	page := make([]byte, length*c.pageSize)
	if _, err := c.file.ReadAt(page, int64(id*c.pageSize)); err != nil {
		return damaged(err.Error())
	}
	if err := c.elements(page, keys, depth); err != nil {
		return damaged(err.Error())
	}
	return nil
}

// elements checks what is on a page, or inside of a bucket's value.
func (c *dbCheck) elements(page []byte, keys span, depth int) error {
	kind, count := binary.LittleEndian.Uint16(page[8:]), int(binary.LittleEndian.Uint16(page[10:]))
	if kind != pageBranch && kind != pageLeaf || kind == pageBranch && count == 0 || pageHeader+count*element > len(page) {
		return errors.New("damaged header")
	}
	list := make([]pageElement, count)
	for i := range list {
		var ok bool
		if list[i], ok = readElement(page[pageHeader+i*element:], kind); !ok {
			return fmt.Errorf("element %d reaches out of it", i)
		}
		key := list[i].key
		if i == 0 && bytes.Compare(key, keys.from) < 0 || i > 0 && bytes.Compare(key, list[i-1].key) <= 0 ||
			keys.to != nil && bytes.Compare(key, keys.to) >= 0 {
			return fmt.Errorf("element %d is out of order", i)
		}
	}
	if depth == maxDepth && !bucketNames(list) {
		return errors.New("the names of the buckets are damaged")
	}
	for i, e := range list {
		var err error
		switch {
		case kind == pageBranch:
			below := span{e.key, keys.to}
			if i+1 < count {
				below.to = list[i+1].key
			}
			err = c.tree(e.page, below, depth-1)
		case e.bucket:
			err = c.bucket(e.value, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucketNames looks at what a file has on top: nothing yet, or the two buckets
// that the store makes together. One under another name would be made anew, empty.
func bucketNames(list []pageElement) bool {
	return len(list) == 0 ||
		len(list) == 2 && list[0].bucket && string(list[0].key) == "conf" && list[1].bucket && string(list[1].key) == "logs"
}

type pageElement struct {
	key, value []byte
	page       uint64 // on a branch page
	bucket     bool
}

// readElement reads the element that e begins with; not ok: it reaches beyond e.
func readElement(e []byte, kind uint16) (_ pageElement, ok bool) {
	word := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(e[at:])) }
	pos, keySize, valueSize := word(0), word(4), uint64(0)
	if kind == pageLeaf {
		pos, keySize, valueSize = word(4), word(8), word(12)
	}
	if keySize == 0 || pos+keySize+valueSize > uint64(len(e)) {
		return pageElement{}, false
	}
	out := pageElement{key: e[pos : pos+keySize], value: e[pos+keySize : pos+keySize+valueSize]}
	if kind == pageBranch {
		out.page = binary.LittleEndian.Uint64(e[8:])
	} else {
		out.bucket = word(0)&leafBucket != 0
	}
	return out, true
}

func (c *dbCheck) bucket(value []byte, depth int) error {
	if len(value) < 16 {
		return errors.New("a bucket without a root")
	}
	root, inside := binary.LittleEndian.Uint64(value), value[16:]
	if root != 0 {
		return c.tree(root, span{}, depth-1)
	}
	if len(inside) < pageHeader || binary.LittleEndian.Uint16(inside[8:]) != pageLeaf {
		return errors.New("a bucket without a page")
	}
	return c.elements(inside, span{}, depth-1)
}

// Names under which raft keeps its promises.
var (
	currentTerm  = []byte("CurrentTerm")
	lastVoteTerm = []byte("LastVoteTerm")
)

// check reads the whole log and its promises, and says whether a snapshot has
// what comes before it.
func (f raftFiles) check() (err error) {
	defer func() {
		if r := recover(); r != nil { // of a library that trusts its file
			err = fmt.Errorf("%v", r)
		}
	}()
	first, err := f.store.FirstIndex()
	if err != nil {
		return err
	}
	last, err := f.store.LastIndex()
	if err != nil {
		return err
	}
	var l raft.Log
	for i := first; i <= last && i > 0; i++ {
		l = raft.Log{}
		if err := f.store.GetLog(i, &l); err != nil {
			return fmt.Errorf("entry %d of the log: %w", i, err)
		}
	}
	if err := f.checkTerms(l.Term); err != nil {
		return err
	}
	list, err := f.snapshots.List()
	if err != nil {
		return err
	}
	var unread []error
	for _, s := range list {
		_, r, err := f.snapshots.Open(s.ID) // compares its checksum
		if err != nil {
			unread = append(unread, fmt.Errorf("snapshots/%s: %w", s.ID, err))
			continue
		}
		_ = r.Close()
		if s.Index+1 >= first {
			return nil
		}
		break // raft would take it, and miss what lies between
	}
	if first > 1 || len(list) > 0 {
		return errors.Join(append(unread, fmt.Errorf("no snapshot that can be read reaches up to the log, which begins with entry %d", first))...)
	}
	return nil
}

// checkTerms compares the terms that raft has promised with that of the last
// entry.
func (f raftFiles) checkTerms(last uint64) error {
	var terms [2]uint64
	for i, key := range [][]byte{currentTerm, lastVoteTerm} {
		value, err := f.store.Get(key)
		if errors.Is(err, raftboltdb.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if len(value) != 8 {
			return fmt.Errorf("%s is damaged", key)
		}
		terms[i] = binary.BigEndian.Uint64(value)
	}
	if last > terms[0] || terms[1] > terms[0] {
		return fmt.Errorf("the term %d is lower than that of an entry, %d, or a vote, %d", terms[0], last, terms[1])
	}
	return nil
}
