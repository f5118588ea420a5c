package config

import (
	"slices"
	"strings"
)

// fixedParameter is a parameter that Redis has and that can have one value only
// here. It is answered because tools ask for it, and because it is the truth;
// CONFIG SET takes that value and refuses others with the reason.
type fixedParameter struct{ Name, Value, Reason string }

var fixed = fixedParameters(
	group("there is no append-only file",
		"appendonly", "no", "aof-timestamp-enabled", "no", "auto-aof-rewrite-percentage", "0", "no-appendfsync-on-rewrite", "no"),
	group("every payload is checked", "sanitize-dump-payload", "yes"),
	group("sparsely used memory is always compacted in the background", "activedefrag", "yes"),
	group("the index grows in the background of writes, always", "activerehashing", "yes"),
	group("server.hz is kept whatever the number of clients", "dynamic-hz", "no"),
	group("connections have no threads of their own; see server.threads", "io-threads", "1", "io-threads-do-reads", "no"),
	group("the process is run and supervised by what started it, and logs to standard error",
		"daemonize", "no", "supervised", "no", "pidfile", "", "logfile", "", "syslog-enabled", "no",
		"set-proc-title", "no", "always-show-logo", "no", "oom-score-adj", "no", "crash-memcheck-enabled", "no",
		"server_cpulist", "", "bio_cpulist", "", "aof_rewrite_cpulist", "", "bgsave_cpulist", ""),
	group("TLSv1.3 has no choice here", "tls-ciphersuites", ""),
	group("there are no modules", "enable-module-command", "no"),
	group("what is protected is changed at the start only", "enable-protected-configs", "no"),
	group("signals hand the node's slots over, then end the process", "shutdown-on-sigint", "default", "shutdown-on-sigterm", "default"),
	group("the controller chooses by position and lease", "cluster-replica-no-failover", "no", "cluster-slave-no-failover", "no"),
	group("a replica receives the primary's data as a file, then loads that", "repl-diskless-load", "disabled"),
	group("the cluster's state is in data_dir", "cluster-config-file", ""),
	group("connections go out from any address", "bind-source-addr", "", "socket-mark-id", "0"),
)

// group makes parameters, given as names and values, with one reason.
func group(reason string, pairs ...string) []fixedParameter {
	var g []fixedParameter
	for i := 0; i < len(pairs); i += 2 {
		g = append(g, fixedParameter{pairs[i], pairs[i+1], reason})
	}
	return g
}

func fixedParameters(groups ...[]fixedParameter) map[string]fixedParameter {
	m := make(map[string]fixedParameter)
	for _, g := range groups {
		for _, p := range g {
			m[p.Name] = p
		}
	}
	return m
}

// immutable are those that Redis, too, lets nobody change; it says no more.
var immutable = strings.Fields(`always-show-logo aof_rewrite_cpulist bgsave_cpulist bio_cpulist cluster-config-file
	daemonize enable-module-command enable-protected-configs io-threads io-threads-do-reads logfile pidfile
	server_cpulist set-proc-title socket-mark-id supervised syslog-enabled`)

// protected are parameters that Redis changes at run time if enable-protected-configs
// says so: where files are written is not for clients to say.
var protected = []string{"dir", "dbfilename"}

// refusal is why CONFIG SET takes no other value.
func (p fixedParameter) refusal() string {
	if slices.Contains(immutable, p.Name) {
		return "can't set immutable config"
	}
	return p.Reason
}

// accepts says whether CONFIG SET gives the parameter the value that it has.
func (p fixedParameter) accepts(value string) bool { return strings.EqualFold(value, p.Value) }
