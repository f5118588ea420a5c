// Package quote writes bytes as Redis's tools show and read them.
package quote

// Append appends s in double quotes: printable ASCII as it is, the rest as escapes.
func Append(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, b := range s {
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b == '\n':
			dst = append(dst, `\n`...)
		case b == '\r':
			dst = append(dst, `\r`...)
		case b == '\t':
			dst = append(dst, `\t`...)
		case b == '\a':
			dst = append(dst, `\a`...)
		case b == '\b':
			dst = append(dst, `\b`...)
		case b < ' ' || b > '~':
			dst = append(dst, '\\', 'x', hex[b>>4], hex[b&15])
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}
