package proto

// Replies that need no formatting, in wire format, for Writer.Raw and
// RawString.
const (
	ReplyOK         = "+OK\r\n"
	ReplyPong       = "+PONG\r\n"
	ReplyQueued     = "+QUEUED\r\n"
	ReplyZero       = ":0\r\n"
	ReplyOne        = ":1\r\n"
	ReplyEmptyBulk  = "$0\r\n\r\n"
	ReplyEmptyArray = "*0\r\n"
	ReplyNull3      = "_\r\n"
	ReplyNullBulk2  = "$-1\r\n"
	ReplyNullArray2 = "*-1\r\n"
)
