// Package hashslot maps keys to hash slots the way Redis Cluster does, so that
// every existing cluster client computes the same slot.
//
// Source: Redis cluster specification, "Key distribution model" and "Hash
// tags". The checksum is CRC-16/XMODEM: width 16, polynomial 0x1021, initial
// value 0, no reflection, no final xor; its check value (of "123456789") is
// 0x31C3.
package hashslot

// Count is the number of hash slots of a cluster.
const Count = 16384

// tables[0] is the classic byte-wise table. tables[k][b] is the effect of byte
// b followed by k zero bytes, which lets Slot fold four bytes a step: keys are
// hashed on every command, so the serial dependency of the byte-wise loop
// would show.
var tables [4][256]uint16

func init() {
	for i := range tables[0] {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		tables[0][i] = crc
	}
	for k := 1; k < len(tables); k++ {
		for i := range tables[k] {
			prev := tables[k-1][i]
			tables[k][i] = prev<<8 ^ tables[0][prev>>8]
		}
	}
}

// CRC16 returns the CRC-16/XMODEM checksum of data.
func CRC16(data []byte) uint16 {
	var crc uint16
	for len(data) >= 4 {
		crc = tables[3][data[0]^byte(crc>>8)] ^
			tables[2][data[1]^byte(crc)] ^
			tables[1][data[2]] ^
			tables[0][data[3]]
		data = data[4:]
	}
	for _, b := range data {
		crc = crc<<8 ^ tables[0][byte(crc>>8)^b]
	}
	return crc
}

// Slot returns the hash slot of key, in [0, Count). When the key holds a
// non-empty hash tag, the bytes between the first '{' and the first '}' after
// it, only those are hashed.
func Slot(key []byte) uint16 {
	return CRC16(Tag(key)) & (Count - 1)
}

// Tag returns the part of key that is hashed: its hash tag, or all of it. The
// result aliases key.
func Tag(key []byte) []byte {
	for open, b := range key {
		if b != '{' {
			continue
		}
		rest := key[open+1:]
		for end, b := range rest {
			if b == '}' {
				if end == 0 {
					return key // "{}" is no tag
				}
				return rest[:end]
			}
		}
		return key
	}
	return key
}
