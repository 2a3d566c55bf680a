# qemu-img convert and bench with cache=none, each of its ways to submit.
# Packages: qemu-utils
# Its own switch: only writeback
case $VARIANT in
writeback) cache=writeback engines="threads io_uring" ;;
*) cache=none engines="threads native io_uring" ;;
esac
bench() { qemu-img bench -t $cache -i "$1" -f raw -w -c "$2" -d "$3" -s "$4" bench; }
case $1 in
prepare) head -c 64M /dev/urandom >from ;;
run)
	end=$(($(date +%s) + SECONDS_EACH))
	while [ "$(date +%s)" -lt "$end" ]; do
		qemu-img convert -t $cache -T $cache -f raw -O raw from to
		qemu-img convert -t $cache -T $cache -f raw -O qcow2 from to.qcow2
		qemu-img create -q -f raw bench 64M
		for aio in $engines; do
			bench "$aio" 4000 16 4k >"bench.$aio"
			bench "$aio" 500 8 128k >/dev/null
		done
		awk '/^Run completed/ { printf "throughput: %.0f writes/s by io_uring\n", 4000 / $4 }' bench.io_uring
	done
	;;
check) cmp from to && qemu-img check -q to.qcow2 && qemu-img compare -q -f raw -F qcow2 from to.qcow2 ;;
esac
