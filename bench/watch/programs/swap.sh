# Swap to a loop device, under a memory limit.
# Packages: util-linux mawk
hog='BEGIN { srand(); for (i = 0; i < 400000; i++) a[i] = sprintf("%0200d", i); while (systime() < end) for (n = 0; n < 20000; n++) a[int(rand() * 400000)] = sprintf("%0200d", n) }'
limit() { # the processes of this shell get 64 MiB
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		group=/sys/fs/cgroup/watched.$$ && mkdir "$group" && echo 64M >"$group/memory.max"
	else
		group=/sys/fs/cgroup/memory/watched.$$ && mkdir "$group" && echo 64M >"$group/memory.limit_in_bytes"
	fi && echo "$group" >group && echo $$ >"$group/cgroup.procs"
}
case $1 in
prepare) dd if=/dev/zero of=disk bs=1M count=512 2>log && losetup --find --show --direct-io=on disk >loop && mkswap "$(cat loop)" >>log && swapon "$(cat loop)" ;;
run)
	sh "$0" hog # a process of its own, which takes its group with it
	awk '$1 == "pswpout" { print "swapped out", $2, "pages" }' /proc/vmstat
	sleep 0.5 && rmdir "$(cat group)"
	;;
hog) limit && exec awk -v end="$(($(date +%s) + SECONDS_EACH))" "$hog" ;;
check) swapoff "$(cat loop)"; losetup -d "$(cat loop)" ;;
esac
