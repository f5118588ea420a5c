#!/bin/sh
# Installs what the tests compare against and drive: redis-server, redis-cli,
# redis-benchmark, a C compiler for the race detector, and ip for network cuts.
# Does nothing where they are there already.
set -eu

missing=
command -v redis-server >/dev/null || missing="$missing redis-server"
{ command -v redis-cli && command -v redis-benchmark; } >/dev/null || missing="$missing redis-tools"
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
command -v ip >/dev/null || missing="$missing iproute2"
[ -n "$missing" ] || exit 0

echo "Installing:$missing" >&2
command -v apt-get >/dev/null || { echo "No apt-get here; install$missing by hand." >&2; exit 1; }
sudo=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "Neither root nor sudo; install$missing by hand." >&2; exit 1; }
	sudo=sudo
fi
$sudo apt-get update -q
# shellcheck disable=SC2086 # a list of packages; sudo drops the environment
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing

# The package starts a server of its own on port 6379; the tests start theirs.
case "$missing" in
*redis-server*)
	if [ -d /run/systemd/system ]; then
		$sudo systemctl disable --now redis-server || true
	elif [ -x /etc/init.d/redis-server ]; then
		$sudo /etc/init.d/redis-server stop || true
	fi
	;;
esac
