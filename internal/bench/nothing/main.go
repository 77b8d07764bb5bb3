// Command nothing is an /init that does nothing but stop the machine: what a
// boot of the same kernel takes at least, for `mage bench`.
package main

import "syscall"

func main() {
	// reboot(2). On failure process 1 ends, and the kernel panics, which ends
	// QEMU as well.
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}
