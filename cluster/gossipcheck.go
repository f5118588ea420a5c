package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// memberlist decodes what it reads with a general decoder and acts on it
// without looking: a node count makes it allocate, a short version list or an
// empty message makes it panic, compressed messages grow without limit, and all
// of that on goroutines of its own. So every message is checked here before it
// gets there: its type, each field by name, kind and size, and that nothing
// follows. Messages that this cluster's nodes do not send are refused: user
// messages, compressed, encrypted and labelled ones.

// Message types of memberlist (its net.go, messageType).
const (
	gossipPing         = 0
	gossipIndirectPing = 1
	gossipAck          = 2
	gossipSuspect      = 3
	gossipAlive        = 4
	gossipDead         = 5
	gossipPushPull     = 6
	gossipCompound     = 7
	gossipNack         = 11
	gossipCRC          = 12
	gossipErr          = 13
)

const (
	// maxGossipMembers bounds the processes that gossip keeps: those of a
	// cluster of the largest size, each restarted a few times shortly.
	maxGossipMembers = 4096
	maxGossipPacket  = 2048
	maxGossipStream  = 4 << 20 // all members, each with a name, an address and metadata
	maxGossipError   = 512
	// gossipVersion is the protocol version that memberlist speaks by default.
	gossipVersion = 2
)

var errGossip = errors.New("bad gossip message")

// gossipField says what a field of a message may be.
type gossipField uint8

const (
	fieldUint32   gossipField = iota
	fieldUint16               // a port
	fieldBool                 //
	fieldName                 // of a process, see gossipName; may be empty
	fieldMember               // the same, not empty
	fieldAddr                 // 4 or 16 bytes
	fieldAddrNone             // the same, or nothing
	fieldMeta                 // as decodeMeta takes
	fieldVersions             // 6 bytes
	fieldState                // 0 to 3
	fieldNodes                // number of states that follow
	fieldNothing              // zero or empty: not used here
	fieldError                // text
)

// gossipMessages are the fields of each message (memberlist's net.go).
var gossipMessages = map[byte]map[string]gossipField{
	gossipPing: {"SeqNo": fieldUint32, "Node": fieldName,
		"SourceAddr": fieldAddrNone, "SourcePort": fieldUint16, "SourceNode": fieldName},
	gossipIndirectPing: {"SeqNo": fieldUint32, "Target": fieldAddr, "Port": fieldUint16, "Node": fieldMember, "Nack": fieldBool,
		"SourceAddr": fieldAddrNone, "SourcePort": fieldUint16, "SourceNode": fieldName},
	gossipAck:     {"SeqNo": fieldUint32, "Payload": fieldNothing},
	gossipNack:    {"SeqNo": fieldUint32},
	gossipErr:     {"Error": fieldError},
	gossipSuspect: {"Incarnation": fieldUint32, "Node": fieldMember, "From": fieldMember},
	gossipDead:    {"Incarnation": fieldUint32, "Node": fieldMember, "From": fieldMember},
	gossipAlive: {"Incarnation": fieldUint32, "Node": fieldMember, "Addr": fieldAddr, "Port": fieldUint16,
		"Meta": fieldMeta, "Vsn": fieldVersions},
	gossipPushPull: {"Nodes": fieldNodes, "UserStateLen": fieldNothing, "Join": fieldBool},
}

// gossipState is what follows a push/pull header, once for each member.
var gossipState = map[string]gossipField{"Name": fieldMember, "Addr": fieldAddr, "Port": fieldUint16,
	"Meta": fieldMeta, "Incarnation": fieldUint32, "State": fieldState, "Vsn": fieldVersions}

// checkGossipPacket checks a datagram. It returns how many indirect pings are in
// it: each makes memberlist send, wait and answer.
func checkGossipPacket(data []byte) (indirect int, err error) {
	if len(data) >= 5 && data[0] == gossipCRC {
		data = data[5:] // memberlist compares the sum
	}
	if len(data) == 0 || len(data) > maxGossipPacket {
		return 0, fmt.Errorf("%w: packet of %d bytes", errGossip, len(data))
	}
	if data[0] != gossipCompound {
		return countIndirect(data), checkGossipPart(data)
	}
	if len(data) < 2 || len(data) < 2+2*int(data[1]) {
		return 0, fmt.Errorf("%w: compound cut short", errGossip)
	}
	lengths, parts := data[2:2+2*int(data[1])], data[2+2*int(data[1]):]
	for ; len(lengths) > 0; lengths = lengths[2:] {
		n := int(binary.BigEndian.Uint16(lengths))
		if n > len(parts) {
			return 0, fmt.Errorf("%w: compound cut short", errGossip)
		}
		if err := checkGossipPart(parts[:n]); err != nil {
			return 0, err
		}
		indirect += countIndirect(parts[:n])
		parts = parts[n:]
	}
	if len(parts) > 0 {
		return 0, fmt.Errorf("%w: trailing data", errGossip)
	}
	return indirect, nil
}

func countIndirect(part []byte) int {
	if part[0] == gossipIndirectPing {
		return 1
	}
	return 0
}

func checkGossipPart(data []byte) error {
	if len(data) == 0 {
		return fmt.Errorf("%w: empty", errGossip)
	}
	switch data[0] {
	case gossipPing, gossipIndirectPing, gossipAck, gossipNack, gossipSuspect, gossipAlive, gossipDead:
		c := gossipChecker{b: data[1:]}
		return c.whole(gossipMessages[data[0]])
	}
	return fmt.Errorf("%w: packet of type %d", errGossip, data[0])
}

// checkGossipStream checks what one side of a stream says. Only the side that
// was called may answer with an ack or an error.
func checkGossipStream(data []byte, answer bool) error {
	if len(data) == 0 || len(data) > maxGossipStream {
		return fmt.Errorf("%w: stream of %d bytes", errGossip, len(data))
	}
	c := gossipChecker{b: data[1:]}
	switch kind := data[0]; {
	case kind == gossipPushPull:
		if err := c.fields(gossipMessages[kind]); err != nil {
			return err
		}
		for range c.nodes {
			if err := c.fields(gossipState); err != nil {
				return err
			}
		}
		return c.end()
	case !answer && kind == gossipPing, answer && (kind == gossipAck || kind == gossipErr):
		return c.whole(gossipMessages[kind])
	}
	return fmt.Errorf("%w: stream of type %d", errGossip, data[0])
}

// gossipChecker reads msgpack as memberlist writes it: a map of field names.
type gossipChecker struct {
	b     []byte
	nodes uint64 // of a push/pull header
}

func (c *gossipChecker) end() error {
	if len(c.b) > 0 {
		return fmt.Errorf("%w: trailing data", errGossip)
	}
	return nil
}

func (c *gossipChecker) whole(fields map[string]gossipField) error {
	if err := c.fields(fields); err != nil {
		return err
	}
	return c.end()
}

// fields reads one map. Each field is known, and there once; those missing are
// zero to memberlist, which only matters where that is not allowed.
func (c *gossipChecker) fields(fields map[string]gossipField) error {
	if len(c.b) == 0 || c.b[0]&0xf0 != 0x80 {
		return fmt.Errorf("%w: no map", errGossip)
	}
	count := int(c.b[0] & 0x0f)
	c.b = c.b[1:]
	seen := make(map[string]bool, count)
	for range count {
		name, ok := c.raw(32)
		field, known := fields[string(name)]
		if !ok || !known || seen[string(name)] {
			return fmt.Errorf("%w: field %q", errGossip, name)
		}
		seen[string(name)] = true
		if !c.value(field) {
			return fmt.Errorf("%w: value of %s", errGossip, name)
		}
	}
	for name, field := range fields {
		if !seen[name] && field != fieldAddrNone && field != fieldName && field != fieldNothing && name != "SourcePort" {
			return fmt.Errorf("%w: no %s", errGossip, name)
		}
	}
	return nil
}

func (c *gossipChecker) value(field gossipField) bool {
	switch field {
	case fieldUint32:
		_, ok := c.number(1<<32 - 1)
		return ok
	case fieldUint16:
		_, ok := c.number(1<<16 - 1)
		return ok
	case fieldState:
		_, ok := c.number(3)
		return ok
	case fieldNodes:
		n, ok := c.number(maxGossipMembers + 1)
		c.nodes = n
		return ok
	case fieldBool:
		if len(c.b) == 0 || c.b[0] != 0xc2 && c.b[0] != 0xc3 {
			return false
		}
		c.b = c.b[1:]
		return true
	case fieldNothing:
		if len(c.b) == 0 || c.b[0] != 0 && c.b[0] != 0xa0 && c.b[0] != 0xc0 && c.b[0] != 0xc4 {
			return false
		}
		if c.b[0] == 0xc4 { // bin8: a length follows
			v, ok := c.raw(0)
			return ok && len(v) == 0
		}
		c.b = c.b[1:]
		return true
	}
	return c.text(field)
}

func (c *gossipChecker) text(field gossipField) bool {
	v, ok := c.raw(maxGossipError)
	if !ok {
		return false
	}
	switch field {
	case fieldName, fieldMember:
		if len(v) == 0 {
			return field == fieldName
		}
		_, _, err := parseGossipName(string(v))
		return err == nil
	case fieldAddr:
		return len(v) == 4 || len(v) == 16
	case fieldAddrNone:
		return len(v) == 0 || len(v) == 4 || len(v) == 16
	case fieldMeta:
		_, err := decodeMeta(v)
		return err == nil
	case fieldVersions:
		// Lowest, highest and current protocol version, then the same of the
		// delegate, which has none.
		return len(v) == 6 && 1 <= v[0] && v[0] <= gossipVersion && gossipVersion <= v[1] && v[2] == gossipVersion &&
			v[3]|v[4]|v[5] == 0
	case fieldError:
		return true
	}
	return false
}

// number reads a non-negative integer of at most limit.
func (c *gossipChecker) number(limit uint64) (uint64, bool) {
	if len(c.b) == 0 {
		return 0, false
	}
	kind, size := c.b[0], 0
	switch kind {
	case 0xcc, 0xd0:
		size = 1
	case 0xcd, 0xd1:
		size = 2
	case 0xce, 0xd2:
		size = 4
	case 0xcf, 0xd3:
		size = 8
	default:
		if kind >= 0x80 {
			return 0, false
		}
		c.b = c.b[1:]
		return uint64(kind), uint64(kind) <= limit
	}
	if len(c.b) < 1+size {
		return 0, false
	}
	var v uint64
	for _, d := range c.b[1 : 1+size] {
		v = v<<8 | uint64(d)
	}
	if kind >= 0xd0 && c.b[1]&0x80 != 0 {
		return 0, false // negative
	}
	c.b = c.b[1+size:]
	return v, v <= limit
}

// raw reads a string or bytes of at most limit bytes; nil is empty.
func (c *gossipChecker) raw(limit int) ([]byte, bool) {
	if len(c.b) == 0 {
		return nil, false
	}
	kind, size, n := c.b[0], 0, 0
	switch {
	case kind == 0xc0:
	case kind&0xe0 == 0xa0:
		n = int(kind & 0x1f)
	case kind == 0xc4 || kind == 0xd9:
		size = 1
	case kind == 0xc5 || kind == 0xda:
		size = 2
	case kind == 0xc6 || kind == 0xdb:
		size = 4
	default:
		return nil, false
	}
	if len(c.b) < 1+size {
		return nil, false
	}
	for _, d := range c.b[1 : 1+size] {
		n = n<<8 | int(d)
	}
	if n > limit || n > len(c.b)-1-size {
		return nil, false
	}
	v := c.b[1+size : 1+size+n]
	c.b = c.b[1+size+n:]
	return v, true
}
