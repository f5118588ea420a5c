// Package lzf compresses as Redis does in its files: a sequence of literals and copies
// of what came before.
//
//	000lllll + l+1 bytes                literals
//	lllooooo oooooooo                   l+2 bytes (l 1..6) from o+1 bytes back
//	111ooooo llllllll oooooooo          l+9 bytes from o+1 bytes back
package lzf

import "encoding/binary"

const (
	maxLiterals = 32
	maxDistance = 1 << 13
	maxCopy     = 264
	hashBits    = 14

	// Growth is more than what a compressed byte can stand for: three stand for
	// maxCopy.
	Growth = maxCopy/3 + 1
)

// Compress appends data, compressed, to dst. False: it would not be shorter
// than limit bytes; then dst is as it was.
func Compress(dst, data []byte, limit int) ([]byte, bool) {
	var seen [1 << hashBits]uint32 // position + 1 of the last three bytes with that hash
	begin, literals := len(dst), 0 // literals: where those not written yet begin
	flush := func(end int) {
		for literals < end {
			n := min(end-literals, maxLiterals)
			dst = append(dst, byte(n-1))
			dst = append(dst, data[literals:literals+n]...)
			literals += n
		}
	}
	for i := 0; i+3 < len(data); {
		next := binary.LittleEndian.Uint32(data[i:]) & 0xFFFFFF
		h := next * 0x9E3779B1 >> (32 - hashBits)
		from := int(seen[h]) - 1
		seen[h] = uint32(i + 1)
		if from < 0 || i-from > maxDistance || binary.LittleEndian.Uint32(data[from:])&0xFFFFFF != next {
			i++
			continue
		}
		n := 3
		for most := min(len(data)-i, maxCopy); n < most && data[from+n] == data[i+n]; n++ {
		}
		flush(i)
		back := i - from - 1
		if n < 9 {
			dst = append(dst, byte((n-2)<<5|back>>8), byte(back))
		} else {
			dst = append(dst, byte(7<<5|back>>8), byte(n-9), byte(back))
		}
		if len(dst)-begin >= limit {
			return dst[:begin], false
		}
		i += n
		literals = i
	}
	flush(len(data))
	if len(dst)-begin >= limit {
		return dst[:begin], false
	}
	return dst, true
}

// Expand returns the size bytes that data stands for, in dst if there is room in it;
// false if it stands for anything else.
func Expand(dst, data []byte, size uint64) ([]byte, bool) {
	if size > uint64(len(data))*Growth {
		return nil, false
	}
	out := dst[:0:min(uint64(cap(dst)), size)]
	if uint64(cap(out)) < size {
		out = make([]byte, 0, size)
	}
	for i := 0; i < len(data); {
		c := int(data[i])
		i++
		if c < maxLiterals {
			n := c + 1
			if i+n > len(data) || len(out)+n > cap(out) {
				return nil, false
			}
			out = append(out, data[i:i+n]...)
			i += n
			continue
		}
		n := c >> 5
		if n == 7 {
			if i >= len(data) {
				return nil, false
			}
			n += int(data[i])
			i++
		}
		if i >= len(data) {
			return nil, false
		}
		from := len(out) - (c&31<<8 | int(data[i])) - 1
		i++
		if n += 2; from < 0 || uint64(len(out)+n) > size {
			return nil, false
		}
		for ; n > 0; n, from = n-1, from+1 { // byte by byte: the ranges may overlap
			out = append(out, out[from])
		}
	}
	return out, uint64(len(out)) == size
}
