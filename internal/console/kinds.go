package console

import "regexp"

// kind is a row of the table of crashes.
//
// The wording is that of the kernel's own sources, 5.4 to 6.1: lib/bug.c,
// kernel/panic.c, arch/x86/kernel/{traps,dumpstack}.c, arch/x86/mm/fault.c,
// arch/arm64/{kernel/traps.c,mm/fault.c}, mm/kasan, kernel/kcsan, lib/ubsan.c,
// kernel/locking/lockdep.c, kernel/rcu/tree_stall.h, kernel/watchdog*.c.
type kind struct {
	name  string
	re    *regexp.Regexp // what a line begins with, behind printk's time and caller
	title string         // $1 is what re found, % the next line; @ is the function, left out with " in" if unknown
	class class
	fatal bool
}

// class says how a report goes on, and so where it ends.
type class int

const (
	trace class = iota // a stack trace, and no mark at the end
	fault              // an oops: registers, a stack trace, "end trace"; one may be told in several lines
	warn               // WARN(): like an oops, but "end trace" is the last line
	bars               // until a line of '='
	locks              // lockdep: paragraphs, and a stack trace as the last thing
	line               // one line
	stop               // a panic
)

// kinds returns the table; the first row that matches counts.
func kinds() []kind {
	const in = " in @"
	var all []kind
	add := func(name string, c class, title string, res ...string) {
		for _, re := range res {
			all = append(all, kind{name, regexp.MustCompile(`^(?:` + re + `)`), title, c, c == stop})
		}
	}
	const np = `Kernel panic - not syncing: `
	add("init", stop, "Attempted to kill init", np+`Attempted to kill init!`)
	add("init", stop, "$1", np+`(No working init found|No init found|Requested init \S+ failed)`)
	add("init", stop, "VFS: Unable to mount root fs", np+`VFS: Unable to mount root fs`)
	add("stack", stop, "stack-protector: kernel stack is corrupted"+in, np+`stack-protector: Kernel stack is corrupted in: (\S+)`)
	add("stack", stop, "stack overflow"+in, np+`(?:kernel stack overflow|corrupted stack end detected)`)
	add("oom", stop, "Out of memory", np+`(?:Out of memory|System is deadlocked on memory)`)
	add("abort", stop, "SError"+in, np+`Asynchronous SError Interrupt`)
	add("panic", stop, "panic: $1"+in, np+`(.*)`)

	add("oops", fault, "NULL pointer dereference"+in, `(?:BUG: unable to handle kernel|BUG: kernel|Unable to handle kernel) NULL pointer dereference`)
	add("stack", fault, "stack overflow"+in, `BUG: (?:\w+ )?stack guard page was hit`, `Insufficient stack space to handle exception`, `Thread overran stack`)
	add("oops", fault, "unable to handle $1"+in, `(?:BUG: u|U)nable to handle (?:kernel )?(paging request|page fault|[a-z][a-z -]*?)(?: for address| at |:|$)`)
	add("oops", fault, "unable to handle page fault"+in, `BUG: unable to handle `)
	add("double-fault", fault, "double fault"+in, `(?:traps: )?PANIC: double fault`, `double fault: `)
	add("fault", fault, "$1"+in, `(?:traps: )?(general protection fault|stack segment|divide error|invalid opcode|int3|alignment check|segment not present|coprocessor segment overrun|simd exception)\b.*\[#\d+\]`,
		`(general protection fault)`)
	add("abort", fault, "$1"+in, `Internal error: (synchronous [a-z ]*abort[a-z ()]*)`, `Unhandled fault: ([a-z ()]+?)(?: at| \(0x|$)`)
	add("abort", fault, "SError"+in, `SError Interrupt on CPU\d+`, `Internal error: .*SError`)
	add("abort", fault, "bad mode: $1"+in, `Bad mode in (.*?) handler`)
	add("abort", fault, "unhandled exception: $1"+in, `Unhandled (\d*-bit .*?) exception`)
	add("fault", fault, "$1"+in, `Internal error: Oops - ([A-Za-z ]+?)(?::|$)`)
	add("oops", fault, "Oops"+in, `Internal error: `, `Oops: `, `Oops - `, `(?:kernel )?BRK handler`, `Unexpected kernel BRK exception at EL1`)
	add("bug", fault, "kernel BUG"+in, `[kK]ernel BUG at `)

	add("kasan", bars, "KASAN: $1"+in, `BUG: KASAN: (.+?) in `)
	add("kcsan", bars, "KCSAN: $1"+in, `BUG: KCSAN: (.+?) in `)
	add("ubsan", bars, "UBSAN: %"+in, `UBSAN: Undefined behaviour in`)
	add("ubsan", bars, "UBSAN: $1"+in, `UBSAN: (.+?)(?: in \S+:\d+(?::\d+)?)?$`)

	add("lockdep", locks, "lockdep: $1"+in, `WARNING: (possible [a-z ]+ detected|inconsistent lock state|bad [a-z ]+ detected|[a-z ]*held lock freed|lock held when returning to user space|suspicious RCU usage|Nested lock was not taken|.*-unsafe lock order detected)`,
		`\[ BUG: (Invalid wait context) \]`, `INFO: (trying to register non-static key)`, `BUG: (MAX_LOCK\S+ too low|MAX_STACK_TRACE_ENTRIES too low|MAX_LOCKDEP\S* too low)`)
	add("lockdep", locks, "lockdep: locks still held"+in, `WARNING: \S+/\d+ still has locks held`)

	add("lockup", trace, "soft lockup"+in, `(?:NMI )?(?:watchdog: )?BUG: soft lockup`)
	add("lockup", trace, "hard lockup"+in, `(?:NMI )?(?:watchdog: )?Watchdog detected hard LOCKUP`, `(?:watchdog: )?BUG: hard lockup`)
	add("workqueue", trace, "workqueue lockup"+in, `BUG: workqueue lockup`)
	add("rcu-stall", trace, "RCU stall"+in, `(?:rcu: )?INFO: \S+ (?:self-)?detected (?:expedited )?stalls?`)
	add("hung-task", trace, "hung task"+in, `INFO: task .* blocked for more than`)
	add("atomic", trace, "scheduling while atomic"+in, `BUG: scheduling while atomic`)
	add("atomic", trace, "sleeping function called from invalid context"+in, `BUG: sleeping function called from invalid context`)
	add("oom", trace, "Out of memory", `.*invoked oom-killer:`)
	add("oom", line, "Out of memory", `Out of memory`)

	add("list", fault, "$1"+in, `(p?list_(?:add|del) (?:corruption|double add))`)
	add("refcount", warn, "refcount_t: $1"+in, `refcount_t: ([a-z -]+(?:; [a-z -]+)?)`)
	add("usercopy", fault, "usercopy: kernel memory $1"+in, `usercopy: Kernel memory (\w+) attempt detected`, `usercopy: kernel memory (\w+) attempt detected`)
	add("odebug", warn, "ODEBUG: $1 $2"+in, `ODEBUG: ([a-z ]+?) \(.*object type: (\w+)`)
	add("warning", warn, "WARNING"+in, `WARNING: CPU: \d+ PID: \d+ at `)
	add("warning", trace, "WARNING: stack going in the wrong direction"+in, `WARNING: stack going in the wrong direction`)
	add("irq", trace, "irq: nobody cared", `irq \d+: nobody cared`)

	add("poison", trace, "page poisoning: $1"+in, `pagealloc: (memory corruption|single bit error)`)
	add("page", trace, "bad page state"+in, `BUG: Bad page (?:state|map|cache)`)
	add("slab", locks, "slab: $2 in cache $1", `BUG (\S+) (?:\(.*?\) ?)?: (.*)`, `BUG (\S+): (.*)`)
	add("bug", trace, "BUG: $1"+in, `BUG: (.*)`)

	add("kmemleak", line, "kmemleak: memory leak", `kmemleak: \d+ new suspected memory leaks`)
	add("initramfs", line, "Initramfs unpacking failed: $1", `Initramfs unpacking failed: (.*)`)
	add("init", line, "Failed to execute $1", `Failed to execute (\S+)`)
	add("netdevice", line, "unregister_netdevice: waiting for a device to become free", `unregister_netdevice: waiting for `)
	add("vfs", line, "VFS: $1", `VFS: (Busy inodes after unmount|Close: file count is 0)`)
	add("halted", line, "System halted", `-- System halted`, `.* -- System halted$`)
	all[len(all)-1].fatal, all[len(all)-2].fatal = true, true
	return all
}
