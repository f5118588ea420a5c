package resp

import "strconv"

// Wire error texts of DUMP, RESTORE, MIGRATE and of what is on disk. See errors.go.
const (
	errBusyKey    = "BUSYKEY Target key name already exists."
	errDumpFooter = "ERR DUMP payload version or checksum are wrong"
	errBadDump    = "ERR Bad data format"
	errRestoreTTL = "ERR Invalid TTL value, must be >= 0"
	errIdleTime   = "ERR Invalid IDLETIME value, must be >= 0"
	errFreq       = "ERR Invalid FREQ value, must be >= 0 and <= 255"

	errSaveRunning = "ERR Background save already in progress"
	errGeneric     = "ERR"
	errMisconf     = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error."

	errMigrateKeys    = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
	errMigrateConnect = "IOERR error or timeout connecting to the client"
	errMigrateWrite   = "IOERR error or timeout writing to target instance"
	errMigrateRead    = "IOERR error or timeout reading to target instance"

	errDebugReload  = "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
	errReloadFailed = "ERR Error trying to load the RDB dump"

	errSyncPending = "ERR SYNC and PSYNC are invalid with pending output"
	errSyncCluster = "ERR PSYNC is for standalone nodes: in a cluster, replicas are placed by themselves (cluster.replicas). SYNC gives a snapshot"
	errRDBOnly     = "ERR value is out of range, value must between 0 and 1"
)

func errReplicaAddress(n int) string {
	return "ERR REPLCONF ip-address provided by replica instance is too long: " + strconv.Itoa(n) + " bytes"
}

func errRDBFilter(arg []byte) string {
	return "ERR Unsupported rdb-filter-only option: " + cut(arg, shownArg)
}

func errReplConf(arg []byte) string {
	return "ERR Unrecognized REPLCONF option: " + cut(arg, shownArg)
}
