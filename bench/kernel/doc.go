// Package kernel boots stock kernels in QEMU and runs this program inside, on
// disks that are files here.
//
// A Kernel is an image and its modules, fetched from Debian's archive by an apt-get
// with a private directory, or unpacked by the user. A Machine boots one with an
// initramfs that is made in memory: the program itself as init, the libraries and other
// files that it needs, and the modules that were asked for. The program finds itself in the machine by calling [Guest], first
// thing in main; there it is given its job, and what it says arrives on this
// side at once, line by line, over a virtio port.
//
// Nothing of a machine has a name here: disks have none (scratch.Temporary),
// initramfs and port neither, and QEMU dies with this process, however that
// comes about. Only fetched kernels stay, in a cache.
//
// Every wait ends: a guest that does not come up, says nothing for a while,
// panics or is gone is an error that carries the end of its console. (For a QEMU
// that the kernel of this machine does not let go of nobody can do anything.)
//
// The guest's processor is emulated unless KVM is asked for. What is shown
// inside exists; how often it happens elsewhere is not shown.
package kernel
