package victim

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// drbd is a mirror over the network. The caller's memory goes to the disk here and into a
// socket, each in its time: after a change in flight the nodes differ. No error tells of
// it, unless data-integrity-alg is set: then DRBD logs "Digest mismatch, buffer modified by
// upper layers", gives up the connection, and mends the other node when it is back. Here
// it is not set.
//
// Both nodes are this machine, and speak over the loopback interface.
var drbd = Victim{
	Name: "drbd", About: "a mirror over the network: what changed in flight is not the same on both nodes", NeedsStablePages: true,
	Modules: []string{"drbd"}, Disks: []int64{layerBytes, layerBytes},
	Commands: []string{drbdSetup, drbdMeta}, Package: "drbd-utils", Alike: true,
	NoCrash: true, // DRBD copies the last writes anew, and the nodes are equal again
	make: func(s *Stage, disks []string) (string, error) {
		// drbdmeta takes locks in /var/lock.
		if err := errors.Join(s.mirror(disks), loopbackUp(), os.MkdirAll("/var/lock", 0o755)); err != nil {
			return "", err
		}
		for i, disk := range disks {
			if err := makeNode(i, disk); err != nil {
				return "", err
			}
		}
		if err := await("a connection of DRBD", func() (bool, error) {
			state, err := os.ReadFile("/proc/drbd")
			return strings.Count(string(state), "cs:Connected") == len(disks), err
		}); err != nil {
			return "", err
		}
		// The nodes are taken for equal, because new disks are.
		return "/dev/drbd0", errors.Join(command(drbdSetup, "new-current-uuid --clear-bitmap 0"), command(drbdSetup, "primary 0"))
	},
}

// The tools of drbd-utils for version 8.4 of DRBD, which is in Linux.
const (
	drbdSetup = "/lib/drbd/drbdsetup-84"
	drbdMeta  = "/sbin/drbdmeta"
)

// makeNode makes node i from its disk and connects it: the second one to the first.
func makeNode(i int, disk string) error {
	address := func(node int) string { return fmt.Sprintf("127.0.0.1:%d", 7000+node) }
	for _, c := range [][2]string{
		{drbdMeta, fmt.Sprintf("--force %d v08 %s internal create-md", i, disk)},
		{drbdSetup, fmt.Sprintf("new-resource r%d", i)},
		{drbdSetup, fmt.Sprintf("new-minor r%d %d 0", i, i)},
		{drbdSetup, fmt.Sprintf("attach %d %s %s internal", i, disk, disk)},
		{drbdSetup, fmt.Sprintf("connect r%d %s %s --protocol=C", i, address(i), address(1-i))},
	} {
		if err := command(c[0], c[1]); err != nil {
			return err
		}
	}
	return nil
}

// command runs a program with arguments that have no spaces.
func command(name, args string) error {
	out, err := exec.Command(name, strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, args, err, out)
	}
	return nil
}

// loopbackUp brings the loopback interface up, netdevice(7).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
