package store

// raiseDense adds an element to a dense HyperLogLog in place, and says whether
// that raised its register.
func raiseDense(value, element []byte) (raised bool) {
	i, v := hllHash(element)
	if v <= getDense(value, i) {
		return false
	}
	setDense(value, i, v)
	return true
}

// getDense returns register i of a dense HyperLogLog.
func getDense(value []byte, i int) uint8 {
	at, shift := hllHeader+i*6/8, uint(i*6&7)
	v := value[at] >> shift
	if shift > 2 { // the rest is in the next byte
		v |= value[at+1] << (8 - shift)
	}
	return v & 63
}

// setDense makes v, below 64, register i of a dense HyperLogLog.
func setDense(value []byte, i int, v uint8) {
	at, shift := hllHeader+i*6/8, uint(i*6&7)
	value[at] = value[at]&^(63<<shift) | v<<shift
	if shift > 2 {
		value[at+1] = value[at+1]&^(63>>(8-shift)) | v>>(8-shift)
	}
}

// eachDense calls fn for each register. Four of them take three bytes.
func eachDense(value []byte, fn func(i int, v uint8)) {
	b := value[hllHeader:]
	for i := 0; i < hllRegisters; i += 4 {
		word := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		b = b[3:]
		fn(i, uint8(word&63))
		fn(i+1, uint8(word>>6&63))
		fn(i+2, uint8(word>>12&63))
		fn(i+3, uint8(word>>18))
	}
}
