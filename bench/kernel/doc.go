// Package kernel boots stock kernels in QEMU and runs this program inside, on
// disks that are files here.
//
// A Kernel is an image and its modules, fetched from Debian's archive by an apt-get
// with a private directory, or unpacked by the user. A Machine boots one with an
// initramfs that is made in memory: the program itself as init, the libraries and other
// files that it needs, and the modules that were asked for. The program calls [Guest] at
// the begin of main. In the machine, Guest runs its job; each line that the job sends
// arrives here at once, over a virtio port.
//
// The disks, the initramfs and the port of a machine have no names here, and QEMU dies with
// this process, however the process ends. Only fetched kernels stay, in a cache.
//
// Every wait is bounded, unless the kernel of this machine does not let QEMU end. If a guest
// does not come up, falls silent, panics or vanishes, the error has the end of its console.
//
// The guest's processor is emulated unless KVM is asked for. A fault that is seen inside
// exists; its rate elsewhere is not known.
package kernel
