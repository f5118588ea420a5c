package rdb

import "hash/crc64"

// The checksum is CRC-64 with the polynomial of Jones, reflected, without inversion:
// CRC("123456789") = 0xe9c6d914c4b8d9ca.
var jones = crc64.MakeTable(0x95ac9329ac4bc9b5)

// CRC continues a checksum, which begins with 0, with data.
func CRC(sum uint64, data []byte) uint64 {
	// The library inverts before and after, as ISO and ECMA want it.
	return ^crc64.Update(^sum, jones, data)
}
