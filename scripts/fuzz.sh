#!/bin/sh
# Runs every fuzz test of the module, or of some packages, one after the other:
# go test fuzzes one at a time. It goes on after a failure, and lists all of them
# at the end; go test leaves each failing input under testdata.
# Usage: scripts/fuzz.sh TIME [PACKAGE...], as 30s ./cluster/...
set -eu

time=${1:?usage: scripts/fuzz.sh TIME [PACKAGE...]}
shift
[ $# -gt 0 ] || set -- ./...

out=$(mktemp)
trap 'rm -f "$out"' EXIT
failed=
for dir in $(go list -f '{{.Dir}}' "$@"); do
	for name in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | sed 's/^func //'); do
		echo "fuzz $name in .${dir#"$PWD"} for $time"
		if ! go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$dir" </dev/null >"$out" 2>&1; then
			# When a worker is late at the end of its time, go test calls that end
			# a failure: it names no input then, and nothing was found.
			if ! grep -q '^    context deadline exceeded$' "$out" || grep -q 'Failing input' "$out"; then
				failed="$failed $name"
			fi
		fi
		cat "$out"
	done
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
