#!/bin/sh
# Writes cmd/respkv/default.pgo, the profile that the compiler chooses by what to
# inline and how to lay out code (https://go.dev/doc/pgo): a standalone server under
# redis-benchmark, sets and gets at three pipelines and the commands of each type.
# The binary that is profiled is built without a profile, so that two runs of this
# script do not build on each other.
set -eu
cd "$(dirname "$0")/.."

port=7830
metrics=127.0.0.1:7831
seconds=6
dir=$(mktemp -d)
go build -pgo=off -trimpath -o "$dir/respkv" ./cmd/respkv
"$dir/respkv" serve --server.port $port --data_dir "$dir/data" --log.level error \
	--metrics.listen $metrics --metrics.pprof &
server=$!
trap 'kill $server 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
until redis-cli -p $port ping >/dev/null 2>&1; do
	kill -0 $server || { echo "profile: the server did not start on port $port" >&2; exit 1; }
	sleep 0.1
done
redis-benchmark -p $port -n 1000000 -r 1000000 -d 64 -P 32 -t set -q >/dev/null

n=0
while read -r pipeline tests; do
	n=$((n + 1))
	echo "profile: $tests at pipeline $pipeline for $seconds s" >&2
	redis-benchmark -p $port -n 1000000000 -l -r 1000000 -d 64 -c 50 -P "$pipeline" -t "$tests" -q >/dev/null 2>&1 &
	load=$!
	curl -sSf -o "$dir/$n.pb" "http://$metrics/debug/pprof/profile?seconds=$seconds"
	kill $load
	wait $load || true
done <<END
128 get
128 set
16 get
16 set
1 get
1 set
16 incr
16 lpush
16 sadd
16 hset
16 zadd
END
go tool pprof -proto "$dir"/*.pb >cmd/respkv/default.pgo 2>/dev/null
ls -l cmd/respkv/default.pgo
