package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// injections crash a kernel that was built without bzcrash.patch: gdb stops
// it at the entry of rand_count(), which reads of /proc/<pid>/rand come to,
// and what runs on from there is the kernel itself. $m is the struct seq_file.
func injections(x86 bool, release string) map[string]string {
	all := map[string]string{
		"at_panic":    "set $a0 = hex_asc; jump *panic",
		"at_refcount": "set $a0 = $m; set $a1 = 3; jump *refcount_warn_saturate",
		"at_overflow": "set $a0 = $m; set $a1 = 1; jump *refcount_warn_saturate",
		"at_hung":     "set $a0 = $m + $lock; jump *mutex_lock",
		"at_freed":    "set $a0 = $m; jump *kfree",
		"at_usercopy": "set $a0 = $m; set $a1 = 100000; set $a2 = 1; jump *__check_object_size",
		"at_list":     "set $a0 = $m; set $a1 = $m + 8; set $a2 = $m + 16; jump *__list_add_valid",
		"at_smash":    "jump *__stack_chk_fail",
	}
	code := map[string]string{
		"at_null": "c704250800000001000000", "at_exec_null": "31c0ffe0", "at_gpf": "48b83412000000adde8900",
		"at_unmapped": "48b834120000009fffff8900", "at_undefined": "0f0b", "at_int3": "cc", "at_divide": "31c9f7f1",
		"at_softlockup": "ebfe", "at_rcu_stall": "ebfe", "at_stack_overflow": "50ebfd", "at_double_fault": "4831e450",
		"at_stack_segment": "48bd3412000000adde488b4500",
	}
	if !x86 {
		code = map[string]string{
			"at_null": "000180d2000000b9", "at_exec_null": "000080d200001fd6", "at_wild": "804682d2a0d5fbf2000000b9",
			"at_undefined": "00000000", "at_brk": "602420d4", "at_softlockup": "00000014", "at_rcu_stall": "00000014",
			"at_stack_overflow": "e00f1ff8ffffff17", "at_hlt": "200040d4",
		}
	}
	for kind, hex := range code {
		var set []string
		for i := 0; i < len(hex); i += 2 {
			set = append(set, fmt.Sprintf("set *(unsigned char *)($pc+%d) = 0x%s", i/2, hex[i:i+2]))
		}
		all[kind] = strings.Join(set, "; ")
	}
	lock := "56" // where struct seq_file has its mutex
	if strings.HasPrefix(release, "5.") {
		lock = "64"
	}
	regs := strings.NewReplacer("$lock", lock, "$a0", "$x0", "$a1", "$x1", "$a2", "$x2")
	if x86 {
		regs = strings.NewReplacer("$lock", lock, "$a0", "$rdi", "$a1", "$rsi", "$a2", "$rdx")
	}
	for kind, text := range all {
		all[kind] = regs.Replace(text)
	}
	return all
}

// inject drives gdb until the crash is on its way.
func inject(ctx context.Context, x86 bool, dist, socket, text string) error {
	m := "$x0"
	if x86 {
		m = "$rdi"
	}
	argv := []string{"-nx", "-batch", "-ex", "set confirm off", "-ex", "set breakpoint pending off", filepath.Join(dist, "vmlinux"),
		"-ex", "target remote " + socket, "-ex", "break *rand_count", "-ex", "continue", "-ex", "delete", "-ex", "set $m = (long)" + m}
	for _, c := range strings.Split(text, "; ") {
		if to, ok := strings.CutPrefix(c, "jump *"); ok {
			c = "set $pc = (long)&" + to
		}
		c = strings.ReplaceAll(c, "= hex_asc", "= (long)&hex_asc")
		argv = append(argv, "-ex", c)
	}
	return exec.CommandContext(ctx, "gdb-multiarch", append(argv, "-ex", "detach")...).Run()
}
