package proto

import "strconv"

// AppendCommand appends a command in the form that clients send.
func AppendCommand(dst []byte, args ...[]byte) []byte {
	dst = AppendArrayHeader(dst, len(args))
	for _, arg := range args {
		dst = append(append(AppendBulkHeader(dst, len(arg)), arg...), "\r\n"...)
	}
	return dst
}

// AppendArrayHeader appends what comes before n elements.
func AppendArrayHeader(dst []byte, n int) []byte {
	return append(strconv.AppendInt(append(dst, '*'), int64(n), 10), "\r\n"...)
}

// AppendBulkHeader appends what comes before the n bytes of a string and its line's end.
func AppendBulkHeader(dst []byte, n int) []byte {
	return append(strconv.AppendInt(append(dst, '$'), int64(n), 10), "\r\n"...)
}
