#!/bin/sh
# Runs every fuzz test of the module, one after the other: go test fuzzes one at
# a time. Usage: scripts/fuzz.sh TIME, as 30s.
set -eu

time=${1:?usage: scripts/fuzz.sh TIME}
go list -f '{{.Dir}}' ./... | while read -r dir; do
	grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | sed 's/^func //' | while read -r name; do
		echo "fuzz $name in .${dir#"$PWD"} for $time"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$dir" </dev/null || exit 1
	done || exit 1
done
