package rdb

import (
	"encoding/binary"
	"errors"
)

// ErrFooter says that a payload of DUMP has a version that is not known here, or
// another checksum.
var ErrFooter = errors.New("rdb: payload version or checksum are wrong")

const footerSize = 10

// ErrStopped says that the caller has ended the work.
var ErrStopped = errors.New("rdb: stopped")

// crcStep is how many bytes are summed up between two pauses, some 50 µs.
const crcStep = 64 << 10

// sum is CRC with a pause now and then, if there is one. Error: ErrStopped, when that
// has said false.
func sum(data []byte, pause func() bool) (crc uint64, err error) {
	for pause != nil && len(data) > crcStep {
		crc = CRC(crc, data[:crcStep])
		data = data[crcStep:]
		if !pause() {
			return 0, ErrStopped
		}
	}
	return CRC(crc, data), nil
}

// Footer is the end of a payload of DUMP, for what is before it. pause, if not nil, is
// called now and then. Error: ErrStopped, when it has said false.
func Footer(payload []byte, version uint16, pause func() bool) ([]byte, error) {
	payload = binary.LittleEndian.AppendUint16(payload, version)
	crc, err := sum(payload, pause)
	return binary.LittleEndian.AppendUint64(payload, crc), err
}

// Check looks at version and checksum of a payload of DUMP. Error: ErrFooter.
func Check(payload []byte) error {
	n := len(payload) - footerSize
	if n < 0 || binary.LittleEndian.Uint16(payload[n:]) > MaxVersion ||
		CRC(0, payload[:n+2]) != binary.LittleEndian.Uint64(payload[n+2:]) {
		return ErrFooter
	}
	return nil
}

// ReadPayload reads a payload that Check has accepted. No string may be longer than
// limit. As in Redis, what follows the value is not looked at. Errors: *Error,
// ErrEmpty, those of sink.
func ReadPayload(payload []byte, limit uint64, sink Sink) error {
	r := reader{mem: payload[:len(payload)-footerSize], limit: limit}
	t := Type(r.byte())
	var scratch [2][]byte
	return r.value(t, sink, &scratch)
}

// Errors of ReadFunctions.
var (
	ErrNoFunction  = errors.New("rdb: the payload holds something else than functions")
	ErrOldFunction = errors.New("rdb: functions in the form of a release candidate of Redis 7.0")
)

// ReadFunctions reads the sources of the libraries in a payload of FUNCTION DUMP that
// Check has accepted. None may be longer than limit. Errors: ErrNoFunction,
// ErrOldFunction, *Error.
func ReadFunctions(payload []byte, limit uint64) (codes []string, err error) {
	r := reader{mem: payload[:len(payload)-footerSize], limit: limit}
	for len(r.mem) > 0 {
		switch r.byte() {
		case opFunction2:
		case opFunctionPre:
			return nil, ErrOldFunction
		default:
			return nil, ErrNoFunction
		}
		code := string(r.string(nil))
		if r.err != nil {
			return nil, r.err
		}
		codes = append(codes, code)
	}
	return codes, nil
}
