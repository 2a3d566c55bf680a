# MariaDB's redo log and data files, by innodb_flush_method.
# Packages: mariadb-server sysbench
# Variants: O_DIRECT O_DIRECT-buffered O_DIRECT_NO_FSYNC fsync fsync-buffered
# Its own switch: O_DIRECT fsync-buffered
bench() { sysbench oltp_read_write --db-driver=mysql --mysql-socket="$PWD/socket" --mysql-user=root --tables=4 --table-size=20000 "$@"; }
case $VARIANT in
*-buffered) method="--innodb-flush-method=${VARIANT%-buffered} --innodb-log-file-buffering=ON" ;;
*) method="--innodb-flush-method=$VARIANT" ;;
esac
server() {
	# shellcheck disable=SC2086 # options
	mariadbd --no-defaults --user="$(id -un)" --datadir="$PWD/data" --socket="$PWD/socket" --pid-file="$PWD/pid" \
		--skip-networking --innodb-buffer-pool-size=32M --innodb-log-file-size=16M $method 2>>log &
	for _ in $(seq 300); do mariadb-admin --no-defaults -S "$PWD/socket" ping >/dev/null 2>&1 && return; sleep 0.1; done
	tail log >&2
	return 1
}
stop() { mariadb-admin --no-defaults -S "$PWD/socket" shutdown; wait; }
sql() { mariadb --no-defaults -S "$PWD/socket" -e "$1"; }
case $1 in
prepare)
	mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$PWD/data" --auth-root-authentication-method=normal >log 2>&1
	server && sql 'CREATE DATABASE sbtest' && bench prepare >>log && stop
	;;
run)
	server && bench --threads=8 --time="$SECONDS_EACH" run | sed -n 's,^ *transactions: *[0-9]* *(\([0-9.]*\) per sec.),throughput: \1 transactions/s,p' && stop
	;;
check) server && mariadb-check --no-defaults -S "$PWD/socket" sbtest && stop ;;
esac
