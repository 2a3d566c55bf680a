# dd with oflag=direct, blocks of 4 KiB to 1 MiB.
# Packages: coreutils
case $1 in
prepare) head -c 64M /dev/urandom >from ;;
run)
	end=$(($(date +%s) + SECONDS_EACH))
	while [ "$(date +%s)" -lt "$end" ]; do
		for size in 4k 64k 1M; do
			dd if=from of=to bs="$size" oflag=direct conv=fdatasync 2>&1 | sed -n 's/.*, /'"$size"' /p'
		done
	done
	;;
check) cmp from to ;;
esac
