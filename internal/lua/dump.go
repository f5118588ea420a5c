package lua

import (
	"encoding/binary"
	"errors"
	"hash/crc64"
)

// The payload of FUNCTION DUMP is that of Redis:
//
//	for each library: byte 0xf5 | length | source
//	RDB version, 2 bytes, little endian | CRC-64, 8 bytes, little endian
//
// A length is 00xxxxxx, 01xxxxxx and a byte, 0x80 and 4 bytes, or 0x81 and 8
// bytes, big endian.

const (
	opFunction2 = 0xf5
	opFunction  = 0xf6 // of the release candidates of Redis 7.0
	rdbVersion  = 10
	footer      = 2 + 8
)

// jones is the CRC-64 that Redis uses: polynomial 0xad93d23594c935a9, reflected,
// without inversions. Its check value for "123456789" is 0xe9c6d914c4b8d9ca.
var jones = crc64.MakeTable(0x95ac9329ac4bc9b5)

// checksum undoes the inversions that package crc64 makes.
func checksum(b []byte) uint64 { return ^crc64.Update(^uint64(0), jones, b) }

// ErrPayload refuses a payload of FUNCTION RESTORE as a whole.
var ErrPayload = errors.New("DUMP payload version or checksum are wrong")

var (
	errPayloadType     = errors.New("given type is not a function")
	errPayloadOld      = errors.New("Pre-GA function format not supported")
	errPayloadFunction = errors.New("failed loading the given functions payload")
)

// Dump is the payload of all libraries.
func (l *Libraries) Dump() []byte {
	var b []byte
	for _, library := range l.All() {
		b = append(b, opFunction2)
		switch n := len(library.Code); {
		case n < 1<<6:
			b = append(b, byte(n))
		case n < 1<<14:
			b = binary.BigEndian.AppendUint16(b, 1<<14|uint16(n))
		default:
			b = binary.BigEndian.AppendUint32(append(b, 0x80), uint32(n))
		}
		b = append(b, library.Code...)
	}
	b = binary.LittleEndian.AppendUint16(b, rdbVersion)
	return binary.LittleEndian.AppendUint64(b, checksum(b))
}

// ParseDump reads the sources of a payload. It does not look at them.
func ParseDump(b []byte) (codes []string, err error) {
	if len(b) < footer {
		return nil, ErrPayload
	}
	body, end := b[:len(b)-footer], b[len(b)-footer:]
	if binary.LittleEndian.Uint16(end) > rdbVersion {
		return nil, ErrPayload
	}
	if sum := binary.LittleEndian.Uint64(end[2:]); sum != 0 && sum != checksum(b[:len(b)-8]) {
		return nil, ErrPayload
	}
	for len(body) > 0 {
		switch body[0] {
		case opFunction2:
		case opFunction:
			return nil, errPayloadOld
		default:
			return nil, errPayloadType
		}
		code, rest, err := readString(body[1:])
		if err != nil {
			return nil, err
		}
		codes, body = append(codes, string(code)), rest
	}
	return codes, nil
}

// readString reads a string of a payload: raw, an integer, or compressed.
func readString(b []byte) (s, rest []byte, err error) {
	n, encoded, b, err := readLength(b)
	if err != nil {
		return nil, nil, err
	}
	if encoded {
		if n == encodedLZF {
			return readCompressed(b)
		}
		return nil, nil, errPayloadFunction // an integer is no source
	}
	if n > uint64(len(b)) {
		return nil, nil, errPayloadFunction
	}
	return b[:n], b[n:], nil
}

func readLength(b []byte) (n uint64, encoded bool, rest []byte, err error) {
	if len(b) == 0 {
		return 0, false, nil, errPayloadFunction
	}
	first := b[0]
	need := 1
	switch {
	case first>>6 == 1:
		need = 2
	case first == 0x80:
		need = 5
	case first == 0x81:
		need = 9
	case first>>6 == 2:
		return 0, false, nil, errPayloadFunction
	}
	if len(b) < need {
		return 0, false, nil, errPayloadFunction
	}
	rest = b[need:]
	switch need {
	case 2:
		return uint64(first&0x3f)<<8 | uint64(b[1]), false, rest, nil
	case 5:
		return uint64(binary.BigEndian.Uint32(b[1:])), false, rest, nil
	case 9:
		return binary.BigEndian.Uint64(b[1:]), false, rest, nil
	}
	return uint64(first & 0x3f), first>>6 == 3, rest, nil
}

const encodedLZF = 3

// maxLibrary bounds what a compressed source may become.
const maxLibrary = 64 << 20

// readCompressed reads a string that is compressed with LZF.
func readCompressed(b []byte) (s, rest []byte, err error) {
	packed, _, b, err := readLength(b)
	if err != nil {
		return nil, nil, err
	}
	size, _, b, err := readLength(b)
	if err != nil || packed > uint64(len(b)) || size > maxLibrary {
		return nil, nil, errPayloadFunction
	}
	in, rest := b[:packed], b[packed:]
	out := make([]byte, 0, min(size, packed*256))
	for len(in) > 0 {
		control := int(in[0])
		in = in[1:]
		if control < 32 { // so many bytes as they are
			if control+1 > len(in) {
				return nil, nil, errPayloadFunction
			}
			out, in = append(out, in[:control+1]...), in[control+1:]
			continue
		}
		length := control >> 5
		if length == 7 {
			if len(in) == 0 {
				return nil, nil, errPayloadFunction
			}
			length, in = length+int(in[0]), in[1:]
		}
		if len(in) == 0 {
			return nil, nil, errPayloadFunction
		}
		from := len(out) - (control&31)<<8 - int(in[0]) - 1
		in = in[1:]
		if from < 0 || uint64(len(out)+length+2) > size {
			return nil, nil, errPayloadFunction
		}
		for range length + 2 {
			out = append(out, out[from])
			from++
		}
	}
	if uint64(len(out)) != size {
		return nil, nil, errPayloadFunction
	}
	return out, rest, nil
}
