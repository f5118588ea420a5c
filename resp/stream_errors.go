package resp

import "respkv/store"

// Of streams.
const (
	errStreamID         = "ERR Invalid stream ID specified as stream command argument"
	errStreamIDZero     = "ERR The ID specified in XADD must be greater than 0-0"
	errStreamIDLow      = "ERR The ID specified in XADD is equal or smaller than the target stream top item"
	errStreamFull       = "ERR The stream has exhausted the last possible ID, unable to add more items"
	errStreamTooLarge   = "ERR Elements are too large to be stored"
	errStreamStart      = "ERR invalid start ID for the interval"
	errStreamEnd        = "ERR invalid end ID for the interval"
	errTrimTwice        = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
	errTrimMaxLen       = "ERR The MAXLEN argument must be >= 0."
	errTrimLimit        = "ERR The LIMIT argument must be >= 0."
	errTrimLimitAlone   = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
	errTrimLimitExact   = "ERR syntax error, LIMIT cannot be used without the special ~ option"
	errTrimHow          = "ERR syntax error, XTRIM must be called with a trimming strategy"
	errEntriesAdded     = "ERR entries_added must be positive"
	errEntriesAddedLow  = "ERR The entries_added specified in XSETID is smaller than the target stream length"
	errSetIDDeleted     = "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
	errSetIDLow         = "ERR The ID specified in XSETID is smaller than the target stream top item"
	errReadUnbalanced   = "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."
	errReadGroupOption  = "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead."
	errReadNoAck        = "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."
	errReadGroupMissing = "ERR Missing GROUP option for XREADGROUP"
	errReadDollar       = "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."
	errReadNew          = "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option."
	errGroupLost        = "NOGROUP the consumer group this client was blocked on no longer exists"
	errStreamLost       = "UNBLOCKED the stream key no longer exists"
	errGroupNoStream    = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically."
	errGroupExists      = "BUSYGROUP Consumer Group name already exists"
	errEntriesRead      = "ERR value for ENTRIESREAD must be positive or -1"
	errClaimMinIdle     = "ERR Invalid min-idle-time argument for XCLAIM"
	errClaimIdle        = "ERR Invalid IDLE option argument for XCLAIM"
	errClaimTime        = "ERR Invalid TIME option argument for XCLAIM"
	errClaimRetryCount  = "ERR Invalid RETRYCOUNT option argument for XCLAIM"
	errAutoClaimMinIdle = "ERR Invalid min-idle-time argument for XAUTOCLAIM"
	errAutoClaimCount   = "ERR COUNT must be > 0"
)

func errNoGroup(k store.Key, group []byte, where string) string {
	return "NOGROUP No such key '" + cut(k.Name, len(k.Name)) + "' or consumer group '" + cut(group, len(group)) + "'" + where
}

func errNoSuchGroup(k store.Key, group []byte) string {
	return "NOGROUP No such consumer group '" + cut(group, len(group)) + "' for key name '" + cut(k.Name, len(k.Name)) + "'"
}

func errClaimOption(option []byte) string {
	return "ERR Unrecognized XCLAIM option '" + cut(option, len(option)) + "'"
}
