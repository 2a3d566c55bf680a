# QEMU with cache=none: a guest that swaps, one that appends to a file, one whose program changes its buffer in flight.
# Packages: qemu-system-x86 busybox-static e2fsprogs xz-utils cpio kmod
# Also: a Debian kernel in $KERNEL, unpacked (lib/modules, boot/vmlinuz-*), as stablewrite prove downloads it; the program in $STABLEWRITE
# Variants: swap-threads swap-native append-threads append-io_uring scribble-threads scribble-native scribble-io_uring
guest=${VARIANT%%-*} aio=${VARIANT#*-}

# modules of the guest, after those that they need
modules() {
	cd "$KERNEL"/lib/modules/* || exit
	dependencies=$(depmod -n -b "$KERNEL" "$(basename "$PWD")" | sed -n '/\.ko[^ ]*:/p')
	for name in virtio_pci virtio_blk crc32c_generic ext4; do
		printf '%s\n' "$dependencies" | sed -n "s,^\([^: ]*/$name\.ko[^:]*\): *,\1 ,p"
	done | awk '{ for (i = NF; i > 0; i--) if (!seen[$i]++) print $i }'
}
init='#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in /modules/*; do insmod "$m"; done
end=$(($(date +%s) + for_seconds))
case $guest in
swap)
	mkswap /dev/vda >/dev/null; swapon /dev/vda
	awk -v end="$end" "BEGIN { for (i = 0; i < 200000; i++) a[i] = sprintf(\"%0600d\", i); while (systime() < end) for (n = 0; n < 5000; n++) a[int(rand() * 200000)] = sprintf(\"%0600d\", n) }"
	grep pswpout /proc/vmstat ;;
append)
	mount -t ext4 /dev/vda /mnt || poweroff -f
	(while :; do sync; done) &
	while [ "$(date +%s)" -lt "$end" ]; do for i in 1 2 3 4 5 6 7 8 9; do echo "$i a line of the log, $end" >>/mnt/log; done; done
	kill $!; wc -l /mnt/log; umount /mnt ;;
scribble)
	TERM=dumb stablewrite repro --mutator storm --size 256k --duration "${for_seconds}s" --force --json /dev/vda ;;
esac
poweroff -f'
case $1 in
prepare)
	ls "$KERNEL"/boot/vmlinuz-* >/dev/null || { echo "set KERNEL to the directory of an unpacked Debian kernel"; exit 1; }
	truncate -s 1G disk && mkfs.ext4 -q disk
	mkdir -p root/bin root/proc root/sys root/dev root/mnt root/modules
	cp "$(command -v busybox)" root/bin/ && cp "$STABLEWRITE" root/bin/stablewrite
	printf '%s\n' "$init" >root/init && chmod +x root/init
	n=100
	for m in $(modules); do
		n=$((n + 1)) to=root/modules/$n-$(basename "${m%.xz}")
		case $m in *.xz) xz -dc "$KERNEL"/lib/modules/*/"$m" >"$to" ;; *) cp "$KERNEL"/lib/modules/*/"$m" "$to" ;; esac
	done
	(cd root && find . | cpio -o -H newc --quiet) >initramfs
	;;
run)
	timeout $((SECONDS_EACH * 3 + 120)) qemu-system-x86_64 -nodefaults -nographic -no-reboot -m 160 -serial stdio \
		-kernel "$KERNEL"/boot/vmlinuz-* -initrd initramfs -append "quiet console=ttyS0 panic=-1 guest=$guest for_seconds=$SECONDS_EACH" \
		-drive file=disk,format=raw,if=virtio,cache=none,aio="$aio" </dev/null >console
	tail -n 4 console
	;;
check) [ -s console ] && ! grep -iE 'panic|I/O error|EXT4-fs error|mounting .* failed|not found' console ;;
esac
