package resp

import (
	"bytes"
	"strings"
)

// Wire error texts, exactly as redis-server 7.0.15 sends them: clients and
// test suites match on them. Prefix ("ERR", "WRONGTYPE", ...) included, the
// leading '-' and the line end are added by the reply writer.
const (
	errWrongType      = "WRONGTYPE Operation against a key holding the wrong kind of value"
	errSyntax         = "ERR syntax error"
	errNotInteger     = "ERR value is not an integer or out of range"
	errNotFloat       = "ERR value is not a valid float"
	errOutOfRange     = "ERR value is out of range"
	errNotPositive    = "ERR value is out of range, must be positive"
	errExecAbort      = "EXECABORT Transaction discarded because of previous errors."
	errExecAborted    = "EXECABORT Transaction discarded because of: "
	errMultiNested    = "ERR MULTI calls can not be nested"
	errNotInMulti     = "ERR Command not allowed inside a transaction"
	errWatchInMulti   = "ERR WATCH inside MULTI is not allowed"
	errNoSuchKey      = "ERR no such key"
	errSameObject     = "ERR source and destination objects are the same"
	errIndexRange     = "ERR index out of range"
	errDBIndex        = "ERR DB index is out of range"
	errInvalidDBIndex = "ERR invalid DB index"
	errIncrOverflow   = "ERR increment or decrement would overflow"
	errDecrOverflow   = "ERR decrement would overflow"
	errIncrNaN        = "ERR increment would produce NaN or Infinity"
	errOffsetRange    = "ERR offset is out of range"
	errStringTooLong  = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	errInvalidCursor  = "ERR invalid cursor"
	errNoAuth         = "NOAUTH Authentication required."
	errWrongPass      = "WRONGPASS invalid username-password pair or user is disabled."
	errNoPassSet      = "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"
	errNoProto        = "NOPROTO unsupported protocol version"
	errOOM            = "OOM command not allowed when used memory > 'maxmemory'."
	errOutOfMemory    = "OOM the store could not get more memory from the system"
	errClusterOff     = "ERR This instance has cluster support disabled"
	errCrossSlot      = "CROSSSLOT Keys in request don't hash to the same slot"
	errClusterSelect  = "ERR SELECT is not allowed in cluster mode"
	errClusterSwapDB  = "ERR SWAPDB is not allowed in cluster mode"
	errClusterMove    = "ERR MOVE is not allowed in cluster mode"
	errClusterCopyDB  = "ERR Copying to another database is not allowed in cluster mode"
	errDebugDisabled  = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."
	errInternal       = "ERR internal error"

	errHashNotInteger      = "ERR hash value is not an integer"
	errHashNotFloat        = "ERR hash value is not a float"
	errValueNaNOrInf       = "ERR value is NaN or Infinity"
	errCountRange          = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
	errNumKeys             = "ERR numkeys should be greater than 0"
	errNumKeysArgs         = "ERR Number of keys can't be greater than number of args"
	errCountZero           = "ERR count should be greater than 0"
	errCountNegative       = "ERR COUNT can't be negative"
	errMaxLenNegative      = "ERR MAXLEN can't be negative"
	errZeroRank            = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list"
	errTimeoutNotFloat     = "ERR timeout is not a float or out of range"
	errLimitNegative       = "ERR LIMIT can't be negative"
	errFieldsPosition      = "ERR Mandatory argument FIELDS is missing or not at the right position"
	errNumFields           = "ERR Parameter `numFields` should be greater than 0"
	errNumFieldsArgs       = "ERR The `numfields` parameter must match the number of arguments"
	errExpireNegative      = "ERR invalid expire time, must be >= 0"
	errReplyTooLarge       = "ERR the reply would exceed the maximum size (proto-max-bulk-len)"
	errExecWithoutMulti    = "ERR EXEC without MULTI"
	errDiscardWithoutMulti = "ERR DISCARD without MULTI"

	errZAddNXXX         = "ERR XX and NX options at the same time are not compatible"
	errZAddGTLTNX       = "ERR GT, LT, and/or NX options at the same time are not compatible"
	errZAddIncrPair     = "ERR INCR option supports a single increment-element pair"
	errScoreNaN         = "ERR resulting score is not a number (NaN)"
	errScoreRange       = "ERR min or max is not a float"
	errLexRange         = "ERR min or max not valid string range item"
	errRangeLimit       = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
	errRangeLexScores   = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
	errWeight           = "ERR weight value is not a float"
	errUnit             = "ERR unsupported unit provided. please use M, KM, FT, MI"
	errRadius           = "ERR need numeric radius"
	errRadiusNegative   = "ERR radius cannot be negative"
	errWidth            = "ERR need numeric width"
	errHeight           = "ERR need numeric height"
	errBoxNegative      = "ERR height or width cannot be negative"
	errGeoMember        = "ERR could not decode requested zset member"
	errGeoCount         = "ERR COUNT must be > 0"
	errGeoAny           = "ERR the ANY argument requires COUNT argument"
	errCountNotPositive = "ERR count should be greater than 0"

	errInt32Range    = "ERR value is out of range, value must between -2147483648 and 2147483647"
	errFirstDB       = "ERR invalid first DB index"
	errSecondDB      = "ERR invalid second DB index"
	errExpireNX      = "ERR NX and XX, GT or LT options at the same time are not compatible"
	errExpireGTLT    = "ERR GT and LT options at the same time are not compatible"
	errLCSTypes      = "ERR The specified keys must contain string values"
	errLCSBoth       = "ERR If you want both the length and indexes, please just use IDX."
	errLCSMemory     = "ERR Insufficient memory, failed allocating transient memory for LCS"
	errNoIdleTime    = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	errNoFrequency   = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	errReadOnlyNode  = "READONLY You can't write against a read only replica."
	errClusterDown   = "CLUSTERDOWN The cluster is down"
	errBitOffset     = "ERR bit offset is not an integer or out of range"
	errBitValue      = "ERR bit is not an integer or out of range"
	errBitPosBit     = "ERR The bit argument must be 1 or 0."
	errBitOpNot      = "ERR BITOP NOT must be called with a single source key."
	errNotHLL        = "WRONGTYPE Key is not a valid HyperLogLog string value."
	errBrokenHLL     = "INVALIDOBJ Corrupted HLL object detected"
	errHLLNotSparse  = "ERR HLL encoding is not sparse"
	errSortBy        = "ERR BY option of SORT denied in Cluster mode."
	errSortGet       = "ERR GET option of SORT denied in Cluster mode."
	errSortScore     = "ERR One or more scores can't be converted into double"
	errHLLNoKey      = "ERR The specified key does not exist"
	errSlotsInFlight = "TRYAGAIN Slots of this node are being handed over"
)

// Of BITFIELD.
const (
	errBitFieldType     = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
	errBitFieldOverflow = "ERR Invalid OVERFLOW type specified"
	errBitFieldReadOnly = "ERR BITFIELD_RO only supports the GET subcommand"
)

// errUnknownCommand names the command and the beginning of its arguments, both
// cut the way Redis cuts them (128 bytes in all for the arguments).
func errUnknownCommand(args [][]byte) string {
	const limit = 128
	var quoted strings.Builder
	for _, arg := range args[1:] {
		if quoted.Len() >= limit {
			break
		}
		room := limit - quoted.Len()
		quoted.WriteString("'" + cut(arg, room) + "' ")
	}
	return "ERR unknown command '" + cut(args[0], limit) + "', with args beginning with: " + errorSafe(quoted.String())
}

func errUnknownSubcommand(container string, sub []byte) string {
	return "ERR unknown subcommand '" + cut(sub, 128) + "'. Try " + strings.ToUpper(container) + " HELP."
}

// errSubscribed refuses what a RESP2 client that has subscribed can't tell from a
// message.
func errSubscribed(fullName string) string {
	return "ERR Can't execute '" + fullName + "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
}

func errArity(fullName string) string {
	return "ERR wrong number of arguments for '" + fullName + "' command"
}

// errUnsupportedOption shows the option up to a zero byte, as Redis does.
func errUnsupportedOption(option []byte) string {
	shown, _, _ := strings.Cut(string(option), "\x00")
	return "ERR Unsupported option " + errorSafe(shown)
}

func errGeoStore(what string) string {
	return "ERR " + what + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
}

func errGeoExactly(what string, name []byte) string {
	return "ERR exactly one of " + what + " " + cut(name, len(name))
}

func errNoInputKeys(command string) string {
	return "ERR at least 1 input key is needed for '" + command + "' command"
}

func errInvalidExpire(command string) string {
	return "ERR invalid expire time in '" + command + "' command"
}

// cut shows at most n bytes of an argument in an error text. As in Redis, where
// texts are C strings, a NUL byte ends it.
func cut(arg []byte, n int) string {
	arg = arg[:min(len(arg), n)]
	if i := bytes.IndexByte(arg, 0); i >= 0 {
		arg = arg[:i]
	}
	return errorSafe(string(arg))
}

// errorSafe replaces line ends, which would end the error reply early. Bytes,
// not runes: what the client sent need not be UTF-8.
func errorSafe(s string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
}
