# qemu-img convert and bench with cache=none, each of its ways to submit.
# Packages: qemu-utils
case $1 in
prepare) head -c 64M /dev/urandom >from ;;
run)
	end=$(($(date +%s) + SECONDS_EACH))
	while [ "$(date +%s)" -lt "$end" ]; do
		qemu-img convert -t none -T none -f raw -O raw from to
		qemu-img convert -t none -T none -f raw -O qcow2 from to.qcow2
		qemu-img create -q -f raw bench 64M
		for aio in threads native io_uring; do
			qemu-img bench -t none -i "$aio" -f raw -w -c 4000 -d 16 -s 4k bench | sed -n "s/^Run/$aio/p"
			qemu-img bench -t none -i "$aio" -f raw -w -c 500 -d 8 -s 128k bench | sed -n "s/^Run/$aio/p"
		done
	done
	;;
check) cmp from to && qemu-img check -q to.qcow2 && qemu-img compare -q -f raw -F qcow2 from to.qcow2 ;;
esac
