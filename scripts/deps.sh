#!/bin/sh
# Installs what the tests compare against and drive: redis-server, redis-cli,
# redis-benchmark, a C compiler for the race detector, ip for network cuts, a
# browser for the status page, Prometheus's exporter for Redis, and client
# libraries of other languages. What npm packages has its list in tests/clients.
# Does nothing where they are there already.
set -eu

missing=
command -v redis-server >/dev/null || missing="$missing redis-server"
{ command -v redis-cli && command -v redis-benchmark; } >/dev/null || missing="$missing redis-tools"
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
command -v ip >/dev/null || missing="$missing iproute2"
command -v prometheus-redis-exporter >/dev/null || missing="$missing prometheus-redis-exporter"
# Not every system packages these; without them make page and make clients skip
# their tests.
optional=
command -v chromium >/dev/null || optional="$optional chromium"
command -v node >/dev/null || optional="$optional nodejs"
command -v npm >/dev/null || optional="$optional npm"
python3 -c 'import redis' 2>/dev/null || /usr/bin/python3 -c 'import redis' 2>/dev/null || optional="$optional python3-redis"
python3 -c 'import celery' 2>/dev/null || /usr/bin/python3 -c 'import celery' 2>/dev/null || optional="$optional python3-celery"
php -r 'exit(extension_loaded("redis") ? 0 : 1);' >/dev/null 2>&1 || optional="$optional php-cli php-redis"
ruby -r redis -e '' 2>/dev/null || optional="$optional ruby-redis"
ruby -r sidekiq -e '' 2>/dev/null || optional="$optional ruby-sidekiq"
[ -n "$missing$optional" ] || exit 0

echo "Installing:$missing$optional" >&2
command -v apt-get >/dev/null || { echo "No apt-get here; install$missing by hand." >&2; exit 1; }
sudo=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "Neither root nor sudo; install$missing by hand." >&2; exit 1; }
	sudo=sudo
fi
$sudo apt-get update -q
# shellcheck disable=SC2086 # a list of packages; sudo drops the environment
[ -z "$missing" ] || $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
for package in $optional; do
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$package" ||
		echo "$package cannot be installed: the tests that need it will be skipped." >&2
done

# These packages start services of their own; the tests start theirs.
for service in redis-server prometheus-redis-exporter; do
	case "$missing" in
	*$service*)
		if [ -d /run/systemd/system ]; then
			$sudo systemctl disable --now $service || true
		elif [ -x /etc/init.d/$service ]; then
			$sudo /etc/init.d/$service stop || true
		fi
		;;
	esac
done
