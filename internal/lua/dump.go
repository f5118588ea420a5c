package lua

import (
	"errors"

	"respkv/internal/rdb"
)

// Errors of payloads, in Redis's words.
var (
	// ErrPayload refuses a payload of FUNCTION RESTORE as a whole.
	ErrPayload = errors.New("DUMP payload version or checksum are wrong")

	errPayloadType     = errors.New("given type is not a function")
	errPayloadOld      = errors.New("Pre-GA function format not supported")
	errPayloadFunction = errors.New("failed loading the given functions payload")
)

// maxLibrary bounds what a compressed source may become.
const maxLibrary = 64 << 20

// Dump is the payload of all libraries.
func (l *Libraries) Dump() []byte {
	var b []byte
	for _, library := range l.All() {
		b = rdb.AppendFunction(b, []byte(library.Code), true)
	}
	return rdb.AppendFooter(b, 0, rdb.Version)
}

// ParseDump reads the sources of a payload. It does not look at them.
func ParseDump(b []byte) (codes []string, err error) {
	if rdb.Check(b) != nil {
		return nil, ErrPayload
	}
	codes, err = rdb.ReadFunctions(b, maxLibrary)
	switch {
	case err == nil:
		return codes, nil
	case errors.Is(err, rdb.ErrNoFunction):
		return nil, errPayloadType
	case errors.Is(err, rdb.ErrOldFunction):
		return nil, errPayloadOld
	}
	return nil, errPayloadFunction
}
