package resp

import (
	"strconv"
	"strings"
)

// Wire error texts of the commands on connections, the server and the cluster.
// See errors.go; those that speak of what Redis does not have are our own.
const (
	// Clients.
	errClientName      = "ERR Client names cannot contain spaces, newlines or special characters."
	errNoClient        = "ERR No such client"
	errPauseMode       = "ERR CLIENT PAUSE mode must be WRITE or ALL"
	errUnblockReason   = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
	errUnblocked       = "UNBLOCKED client unblocked via CLIENT UNBLOCK"
	errClientID        = "ERR Invalid client ID"
	errKillID          = "ERR client-id should be greater than 0"
	errKillAge         = "ERR maxage should be greater than 0"
	errKillAgeInt      = "ERR maxage is not an integer or out of range"
	errTimeoutInt      = "ERR timeout is not an integer or out of range"
	errTimeoutNegative = "ERR timeout is negative"
	errHelloVersion    = "ERR Protocol version is not an integer or out of range"
	errHelloNoAuth     = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
	errResetNormal     = "ERR can only reset normal client connections"

	// Cluster.
	errInvalidSlot       = "ERR Invalid slot"
	errInvalidSlotCount  = "ERR Invalid slot or number of keys"
	errForgetSelf        = "ERR I tried hard but I can't forget myself..."
	errNotReplica        = "ERR You should send CLUSTER FAILOVER to a replica"
	errNotMaster         = "ERR The specified node is not a master"
	errResetKeys         = "ERR CLUSTER RESET can't be called with master nodes containing keys"
	errFlushSlotsKeys    = "ERR DB must be empty to perform CLUSTER FLUSHSLOTS."
	errReplicateSelf     = "ERR Can't replicate myself"
	errReplicateReplica  = "ERR I can only replicate a master, not a replica."
	errReplicateNotEmpty = "ERR To set a master the node must be empty and without assigned slots."
	errEpochNotAlone     = "ERR The user can assign a config epoch only when the node does not know any other node."
	errEpochSet          = "ERR Node config epoch is already non-zero"
	errReplicaOfCluster  = "ERR REPLICAOF not allowed in cluster mode."
	errMasterPort        = "ERR Invalid master port"
	errReplicaOfReplica  = "ERR Command is not valid when client is a replica."
	errReplicaOfBusy     = "TRYAGAIN a write of the primary waits for what this transaction holds"
	errShuttingDown      = "ERR the server is shutting down"
	errLoading           = "LOADING Redis is loading the dataset in memory"
	errMasterDown        = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
	errStaleScript       = "Can not execute the command on a stale replica"
	errNoMasterLink      = "NOMASTERLINK Can't SYNC while not connected with my master"
	errRoleChanged       = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
	errWaitReplica       = "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated."

	// Shutdown and DEBUG.
	errNoShutdown       = "ERR No shutdown in progress."
	errShutdownAbort    = "ERR the shutdown in progress can't be aborted"
	errShutdownRefused  = "ERR this server can't be shut down by its clients"
	errShutdownFailed   = "ERR Errors trying to SHUTDOWN. Check logs."
	errResp3Only        = "ERR RESP2 is not supported by this command"
	errDatabaseRange    = "ERR Out of range database"
	errNotHashtable     = "ERR The value stored at the specified key is not represented using an hash table"
	errNotListpack      = "ERR Not a listpack encoded object."
	errNotQuicklist     = "ERR Not a quicklist encoded object."
	errReplyBufferFixed = "ERR DEBUG REPLYBUFFER RESIZING is not supported: reply buffers are lent to clients while they work, and not resized"
	errSlowlogCount     = "ERR count should be greater than or equal to -1"
	errMonitorDenied    = "ERR MONITOR isn't allowed for DENY BLOCKING client"
	errReplicaKeyspace  = "ERR Replica can't interact with the keyspace"
	errPackedThreshold  = "ERR argument must be a memory value bigger than 1 and smaller than 4gb"
	errProtocolType     = "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
)

// shownArg is how much of an argument an error text repeats, in bytes.
const shownArg = 128

// errOf is the text of an error of another package.
func errOf(err error) string { return "ERR " + errorSafe(err.Error()) }

// errSubcommandArgs is Redis's text where a sub-command is unknown, or known with
// other numbers of arguments only.
func errSubcommandArgs(command string, sub []byte) string {
	return "ERR unknown subcommand or wrong number of arguments for '" + cut(sub, shownArg) + "'. Try " + command + " HELP."
}

func errClientType(arg []byte) string { return "ERR Unknown client type '" + cut(arg, shownArg) + "'" }

func errNoUser(arg []byte) string { return "ERR No such user '" + cut(arg, shownArg) + "'" }

func errUnknownOption(arg []byte) string {
	return "ERR Unrecognized option '" + cut(arg, shownArg) + "'"
}

func errAttribute(name []byte) string {
	return "ERR " + cut(name, shownArg) + " cannot contain spaces, newlines or special characters."
}

func errHelloOption(arg []byte) string {
	return "ERR Syntax error in HELLO option '" + cut(arg, shownArg) + "'"
}

func errUnknownNode(arg []byte) string { return "ERR Unknown node " + cut(arg, shownArg) }

func errConfigEpoch(epoch int64) string {
	return "ERR Invalid config epoch specified: " + strconv.FormatInt(epoch, 10)
}

func errBasePort(arg []byte) string {
	return "ERR Invalid TCP base port specified: " + cut(arg, shownArg)
}

func errBusPort(arg []byte) string {
	return "ERR Invalid TCP bus port specified: " + cut(arg, shownArg)
}

func errNodeAddress(host, port []byte) string {
	return "ERR Invalid node address specified: " + cut(host, shownArg) + ":" + cut(port, shownArg)
}

const (
	errSlotRange = "ERR Invalid or out of range slot"
	errSetSlot   = "ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"
)

func errSlotTwice(slot uint16) string {
	return "ERR Slot " + strconv.Itoa(int(slot)) + " specified multiple times"
}

func errSlotBusy(slot uint16) string {
	return "ERR Slot " + strconv.Itoa(int(slot)) + " is already busy"
}

func errSlotUnassigned(slot uint16) string {
	return "ERR Slot " + strconv.Itoa(int(slot)) + " is already unassigned"
}

func errSlotOrder(first, last uint16) string {
	return "ERR start slot number " + strconv.Itoa(int(first)) + " is greater than end slot number " + strconv.Itoa(int(last))
}

func errSlotOwner(slot uint16) string {
	return "ERR I'm already the owner of hash slot " + strconv.Itoa(int(slot))
}

func errNotSlotOwner(slot uint16) string {
	return "ERR I'm not the owner of hash slot " + strconv.Itoa(int(slot))
}

func errNoSuchNode(arg []byte) string { return "ERR I don't know about node " + cut(arg, shownArg) }

// errClusterNotBuilt refuses a sub-command and says what to use instead.
func errClusterNotBuilt(sub, instead string) string {
	return "ERR CLUSTER " + strings.ToUpper(sub) + " is not supported: " + instead
}

// errNotConfirmed answers a change of what the cluster shares, which no majority
// has confirmed in time.
const errNotConfirmed = "CLUSTERDOWN The cluster did not confirm the change in time: it may still take effect"

func errClusterTimeout(err error) string {
	return "ERR the cluster did not answer in time: " + errorSafe(err.Error())
}

func errNoSamples(event []byte) string {
	return "ERR No samples available for event '" + cut(event, shownArg) + "'"
}
