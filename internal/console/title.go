package console

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// helpers are the functions that report, and those that only carry out what
// their caller got wrong: no title names them as long as there is another.
var helpers = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`dump_(?:stack|backtrace).*`, `show_(?:stack|regs).*`, `panic`, `nmi_panic`, `_?printk`, `die.*`, `__die`, `oops_end`, `no_context`, `bad_area.*`, `page_fault_oops`, `kernelmode_fixup_or_oops`, `arm64_notify_die`,
	`__warn.*`, `warn_slowpath.*`, `report_bug`, `handle_bug`, `fixup_bug.*`, `(?:asm_)?exc_.*`, `do_(?:error_trap|trap.*|invalid_op|page_fault|user_addr_fault|kern_addr_fault|mem_abort|translation_fault|debug_exception|undefinstr|bad_area|sea|int3|general_protection|divide_error|stack_segment|double_fault|serror|el1_.*)`,
	`__do_(?:kernel_fault|page_fault)`, `page_fault`, `async_page_fault`, `general_protection`, `invalid_op`, `divide_error`, `double_fault`, `int3`, `stack_segment`, `bug_handler`, `brk_handler`, `call_break_hook`, `ubsan_.*`, `__ubsan_.*`, `val_to_string.*`, `handle_overflow`, `(?:el1|vectors|error_entry|el0)[a-z0-9_]*`, `bad_mode`, `arm64_serror_panic`, `is_valid_bugaddr`,
	`_*kasan_.*`, `__asan_.*`, `__hwasan_.*`, `print_(?:address_description|report|error_description).*`, `check_memory_region.*`, `end_report.*`, `kcsan_.*`, `__tsan_.*`,
	`(?:__)?(?:mem(?:cpy|set|move|cmp|chr)\w*|str(?:n?cpy|l?cpy|n?cmp|n?len|n?cat|chr|scpy)\w*)`,
	`(?:__)?lock_(?:acquire|release|is_held).*`, `__lock_(?:acquire|release).*`, `lockdep_.*`, `lock_downgrade`, `check_(?:prev|noncircular|deadlock|irq|usage|lock|wait|chain|no|flags)\w*`, `validate_chain.*`, `mark_(?:lock|usage|held)\w*`, `valid_state`, `register_lock_class`, `assign_lock_key`, `print_\w*(?:bug|lock|usage|circular|balance)\w*`, `debug_check_\w+`, `debug_(?:print_object|object_\w+|mutex_\w+)`, `__debug_\w+`,
	`_*(?:mutex|ww_mutex|rt_mutex)_\w+`, `_*(?:raw_)?(?:spin|read|write)_(?:lock|unlock|trylock)\w*`, `do_raw_\w+`, `spin_(?:bug|dump)`, `_*(?:down|up)(?:_\w+)?`, `rwsem_\w+`, `queued_spin_\w+`, `native_queued_\w+`,
	`slab_\w+`, `object_err`, `check_(?:object|bytes_and_report|poison_mem|slab)\w*`, `(?:alloc|free)_(?:debug|consistency)\w*`, `__slab_(?:free|alloc)\w*`, `___slab_alloc`, `(?:kmem_cache|cache)_(?:free|alloc|shrink|destroy)\w*`, `__kmem_cache_\w+`, `k[vz]?m?alloc\w*`, `__kmalloc\w*`, `k[vz]?free\w*`, `qlist_free_all`, `qlink_free`, `kmalloc_trace`,
	`_*(?:kernel_)?unpoison_page\w*`, `__kernel_unpoison_pages`, `post_alloc_hook`, `prep_new_page`, `get_page_from_freelist`, `_*alloc_pages\w*`, `check_new_pages?\w*`, `bad_page`, `free_pcp\w*`, `free_unref\w*`, `_*free_pages\w*`, `kernel_(?:map|init)_pages`, `__?kernel_map_pages`,
	`___?might_\w+`, `__might_\w+`, `__schedule\w*`, `schedule\w*`, `preempt_schedule\w*`, `io_schedule\w*`, `__switch_to`, `m?sleep`, `msleep\w*`, `usleep_\w+`, `wait_for_\w+`, `__wait_\w+`, `do_wait_for\w*`, `__list_(?:add|del)\w*`, `refcount_\w+`, `kobject_\w+`,
	`usercopy_abort`, `__check_(?:heap_object|object_size)`, `check_(?:heap|stack)_object`, `_?copy_(?:to|from)_user`, `__stack_chk_fail`, `add_taint`, `rcu_(?:sched_clock_irq|dump_cpu_stacks|check_gp|note_\w+|preempt_\w+)`, `print_(?:cpu_stall|other_cpu_stall)\w*`, `check_cpu_stall`, `nmi_\w+`, `arch_trigger_\w+`, `watchdog_timer_fn`, `sched_show_task`, `arch_dump\w+`, `__do_softirq`,
	`delay_tsc`, `__?delay`, `__const_udelay`, `check_preemption_disabled`, `debug_smp_processor_id`, `_*cond_resched\w*`,
}, "|") + `)$`)

// interrupts are the frames between which and a stuck CPU's own functions the
// timer's lie.
var interrupts = regexp.MustCompile(`^(?:el1h?_?(?:64)?_irq(?:_handler)?|asm_sysvec_\w+|(?:smp_)?apic_timer_interrupt|sysvec_\w+|asm_common_interrupt|__irq_svc)$`)

// neverReturns are functions whose call may be the last thing in another one:
// the address it would return to is then the beginning of the function behind
// that, +0x0, and which one called cannot be seen.
var neverReturns = regexp.MustCompile(`^(?:panic|nmi_panic|do_exit|make_task_dead|__stack_chk_fail|usercopy_abort|do_group_exit)$`)

// suffixes are what gcc puts behind the name of a function it changed.
var suffixes = regexp.MustCompile(`\.(?:isra|constprop|part|cold|llvm|lto_priv)(?:\.\d+)*`)

var (
	reIP     = regexp.MustCompile(`^(?:\S* ?RIP: 0010:|pc : |PC is at )(?:\[<[0-9a-f]+>\] )?(\S+)`)
	reWhere  = regexp.MustCompile(`(?:^BUG: K[AC]SAN: .+? in |^WARNING: CPU: \d+ PID: \d+ at (?:\S+:\d+ )?|corrupted in: )([A-Za-z_.$][\w.$]*)`)
	reAccess = regexp.MustCompile(`^(Read|Write) of size \d+`)
	reNumber = regexp.MustCompile(`(^|[^\w-])(?:0x[0-9a-f]+|[0-9a-f]{8,}|\d+)\b`) // kmalloc-64 stays
	reSpaces = regexp.MustCompile(` {2,}`)
)

// crash makes what is told of a report.
func (p *report) crash() Crash {
	fn, frames := p.where()
	title := p.title(fn)
	key := p.kind.name + "\n" + title
	switch p.kind.name {
	case "lockup", "rcu-stall", "workqueue", "oom", "kcsan":
		// The stack is that of the moment.
	default:
		key += "\n" + strings.Join(frames[:min(4, len(frames))], "\n")
	}
	sum := sha256.Sum256([]byte(key))
	return Crash{
		Kind: p.kind.name, Title: title, Key: hex.EncodeToString(sum[:8]),
		Lines: slices.Clone(p.lines), From: p.from, To: p.to, Fatal: p.fatal, Cut: p.cut,
	}
}

// where returns the function that the crash is about, and those that called
// it, the innermost first.
func (p *report) where() (fn string, frames []string) {
	var first string // what the report itself names
	var stack []string
	ended := false
	for i, line := range p.lines {
		text := messageText(line)
		if m := reWhere.FindStringSubmatch(text); m != nil && first == "" {
			first = name(m[1])
		}
		if m := reIP.FindStringSubmatch(text); m != nil && first == "" && p.kind.class != bars {
			first = name(m[1])
		}
		m := reFrame.FindStringSubmatch(text)
		switch {
		case m != nil && m[1] == "" && !ended && (i > p.own || p.kind.class == bars) && p.counts(i):
			if f := name(m[2]); len(stack) > 0 && neverReturns.MatchString(stack[len(stack)-1]) && strings.Contains(m[0], "+0x0/") {
				stack = append(stack, "")
			} else {
				stack = append(stack, f)
			}
		case m == nil && len(stack) > 0 && (text == "" || reEndTrace.MatchString(text)):
			ended = true
		}
	}
	unknown := false // the innermost function
	for i, f := range stack {
		if f == "" {
			unknown = unknown || len(frames) == 0
			continue
		}
		if interrupts.MatchString(f) && (p.kind.name == "lockup" || p.kind.name == "rcu-stall") {
			frames = nil
			stack[i] = "dump_stack"
		} else if !helpers.MatchString(f) {
			frames = append(frames, f)
		}
	}
	if first != "" && !helpers.MatchString(first) {
		return first, frames
	}
	if len(frames) > 0 && !unknown {
		return frames[0], frames
	}
	return "", frames
}

// counts says whether frames at that line are those of the crash itself:
// lockdep shows where locks were taken before, and its own stack last.
func (p *report) counts(i int) bool {
	if p.kind.name != "lockdep" {
		return true
	}
	for _, line := range p.lines[:i] {
		if reTrace.MatchString(messageText(line)) {
			return true
		}
	}
	return false
}

// messageText returns a kept line without printk's prefix.
func messageText(line string) string {
	if at := prefix.FindStringIndex(line); at != nil && at[0] == 0 {
		return line[at[1]:]
	}
	return line[len(callerOnly.FindString(line)):]
}

// name returns a function's name as it is in the source.
func name(symbol string) string {
	symbol, _, _ = strings.Cut(symbol, "+0x")
	if strings.HasPrefix(symbol, "0x") {
		return ""
	}
	return suffixes.ReplaceAllString(symbol, "")
}

// tailOf returns the place that a function is to be put in.
func tailOf(title string) string {
	if strings.HasSuffix(title, " in @") {
		return " in @"
	}
	return ""
}

// title fills in the kind's title.
func (p *report) title(fn string) string {
	t := p.kind.title
	if strings.Contains(t, "%") && p.own+1 < len(p.lines) {
		t = strings.ReplaceAll(t, "%", strings.ReplaceAll(messageText(p.lines[p.own+1]), "@", ""))
	}
	for i := 1; i < len(p.found); i++ {
		arg := p.found[i]
		if p.kind.name == "kcsan" {
			arg, _, _ = strings.Cut(arg, " (")
		}
		t = strings.ReplaceAll(t, "$"+string(rune('0'+i)), arg)
	}
	if p.kind.name == "kasan" && p.own+1 < len(p.lines) {
		if m := reAccess.FindStringSubmatch(messageText(p.lines[p.own+1])); m != nil {
			t = strings.Replace(t, " in @", " "+m[1]+" in @", 1)
		}
	}
	t = strings.Trim(reSpaces.ReplaceAllString(reNumber.ReplaceAllString(t, "${1}N"), " "), " :!.")
	const most = 160 // a panic's text may be anything
	if len(t) > most {
		t = strings.ToValidUTF8(t[:most], "") + "..." + tailOf(t)
	}
	if fn == "" {
		return strings.TrimSuffix(t, " in @")
	}
	return strings.Replace(t, "in @", "in "+fn, 1)
}
