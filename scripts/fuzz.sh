#!/bin/sh
# Runs every fuzz test of the module, or of some packages, one after the other:
# go test fuzzes one at a time. It goes on after a failure, and lists all of them
# at the end; go test leaves each failing input under testdata.
# Usage: scripts/fuzz.sh TIME [PACKAGE...], as 30s ./cluster/...
set -eu

time=${1:?usage: scripts/fuzz.sh TIME [PACKAGE...]}
shift
[ $# -gt 0 ] || set -- ./...

failed=
for dir in $(go list -f '{{.Dir}}' "$@"); do
	for name in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | sed 's/^func //'); do
		echo "fuzz $name in .${dir#"$PWD"} for $time"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$dir" </dev/null || failed="$failed $name"
	done
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
