# mkfs and fsck of a file system on a loop device.
# Packages: e2fsprogs xfsprogs btrfs-progs dosfstools
# Variants: ext4 xfs btrfs vfat
case $1 in
prepare) truncate -s 512M disk && losetup --find --show --direct-io=on disk >loop ;;
run)
	end=$(($(date +%s) + SECONDS_EACH))
	device=$(cat loop)
	while [ "$(date +%s)" -lt "$end" ]; do
		case $VARIANT in
		ext4) mkfs.ext4 -q -F "$device" && fsck.ext4 -f -y "$device" ;;
		xfs) mkfs.xfs -q -f "$device" && xfs_repair "$device" ;;
		btrfs) mkfs.btrfs -q -f "$device" && btrfs check --repair --force "$device" ;;
		vfat) mkfs.vfat "$device" && fsck.vfat -a "$device" ;;
		esac >>log 2>&1 && echo clean
	done
	;;
check) losetup -d "$(cat loop)" ;;
esac
