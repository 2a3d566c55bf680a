# SQLite, which writes through the page cache.
# Packages: sqlite3
case $1 in
prepare) sqlite3 db 'PRAGMA journal_mode=WAL; CREATE TABLE t(i INTEGER PRIMARY KEY, v BLOB)' >log ;;
run)
	end=$(($(date +%s) + SECONDS_EACH))
	while [ "$(date +%s)" -lt "$end" ]; do
		for _ in 1 2 3 4 5 6 7 8; do echo 'INSERT INTO t(v) VALUES(randomblob(4000)); UPDATE t SET v=randomblob(4000) WHERE i=1+abs(random())%1000;'; done | sqlite3 db
	done
	;;
check) [ "$(sqlite3 db 'PRAGMA integrity_check')" = ok ] ;;
esac
