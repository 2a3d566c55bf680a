# fio, each of its engines that writes directly, checked by its own checksums.
# Packages: fio
# Its own switch: only buffered
ENGINES="sync psync vsync pvsync2 libaio posixaio io_uring"
case $VARIANT in buffered) direct=0 ;; *) direct=1 ;; esac
job() { # ENGINE RUNTIME
	fio --name="$1" --filename=fio --size=128M --rw=randwrite --bsrange=4k-1m --direct="$direct" \
		--ioengine="$1" --iodepth=16 --time_based --runtime="$2" --verify=crc32c --verify_fatal=1
}
case $1 in
prepare) ;;
run)
	for engine in $ENGINES; do
		job "$engine" $((SECONDS_EACH / 7 + 1)) >"fio.$engine"
		sed -n 's/.*WRITE: bw=\([^ ]*\).*/'"$engine"' \1/p' "fio.$engine"
	done
	sed -n 's,.*WRITE: bw=\([^ ]*\).*,throughput: \1 by io_uring,p' fio.io_uring
	;;
check) ! grep -l 'verify:' fio.* ;;
esac
