# LVM's metadata: physical volumes, volume groups and volumes made and removed.
# Packages: lvm2
lvm() { command lvm "$@" --config "global{locking_dir=\"$PWD\"} backup{backup=0 archive=0} devices{dir=\"$PWD/none\" use_devicesfile=0 scan=[\"/dev\"] filter=[\"a|^$(cat loop)\$|\",\"r|.*|\"]} activation{udev_sync=0 udev_rules=0}" >>log 2>&1; }
case $1 in
prepare) truncate -s 256M disk && losetup --find --show --direct-io=on disk >loop ;;
run)
	end=$(($(date +%s) + SECONDS_EACH))
	device=$(cat loop)
	while [ "$(date +%s)" -lt "$end" ]; do
		lvm pvcreate -ff -y "$device" && lvm vgcreate "watched$$" "$device"
		for i in 1 2 3 4 5 6 7 8; do lvm lvcreate -an -Zn -Wn -l 2 -n "v$i" "watched$$"; done
		lvm vgck "watched$$" && echo "vgck clean"
		lvm vgremove -ff -y "watched$$" && lvm pvremove -ff -y "$device"
	done
	;;
check) ! grep -i 'checksum\|corrupt' log; losetup -d "$(cat loop)" ;;
esac
