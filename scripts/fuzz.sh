#!/bin/sh
# Runs every fuzz test of the module, or of some packages, one after the other:
# go test fuzzes one at a time. It goes on after a failure, and lists all of them
# at the end; each failing input is left under testdata.
# Usage: scripts/fuzz.sh TIME [PACKAGE...], as 30s ./cluster/...
set -eu

time=${1:?usage: scripts/fuzz.sh TIME [PACKAGE...]}
shift
[ $# -gt 0 ] || set -- ./...

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cache=$(go env GOCACHE)/fuzz
failed=
for package in $(go list -f '{{.ImportPath}}={{.Dir}}' "$@"); do
	path=${package%%=*}
	cd "${package#*=}"
	names=$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' ./*_test.go 2>/dev/null | sed 's/^func //')
	[ -n "$names" ] || continue
	# Built once for all of them, as go test -fuzz builds it.
	go test -c -fuzz . -o "$dir/test" .
	for name in $names; do
		echo "fuzz $name in $path for $time"
		if "$dir/test" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$time" -test.fuzzcachedir "$cache/$path" </dev/null >"$dir/out" 2>&1; then
			cat "$dir/out"
		elif grep -q '^    context deadline exceeded$' "$dir/out" && ! grep -q 'Failing input' "$dir/out"; then
			# When a worker is late at the end of its time, that is called a
			# failure: no input is named then, and nothing was found.
			grep '^fuzz: ' "$dir/out" || true
			echo "late at the end: the machine is busy; nothing was found"
		else
			cat "$dir/out"
			failed="$failed $name"
		fi
	done
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
