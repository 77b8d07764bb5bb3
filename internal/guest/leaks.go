package guest

import (
	"fmt"
	"regexp"
	"strings"
)

// leaked begins an object of kmemleak's report (mm/kmemleak.c,
// print_unreferenced).
const leaked = "unreferenced object "

var (
	reSize  = regexp.MustCompile(`\(size (\d+)\):$`)
	reFrame = regexp.MustCompile(`^    \[<[^>]*>\] (\S+)`) // "    [<00000000a1b2c3d4>] rand_show+0x1c/0x90"
	// The functions that allocate for another one, which is to be named.
	reAllocator = regexp.MustCompile(`^_*(k[mz]?[av]?[mz]?alloc|kmem_cache_|kmemleak_|kmemdup|kstrdup|krealloc|slab_|vmalloc|stack_trace_|create_object|kasan_)`)
)

// leakKind is what was leaked in one and the same way.
type leakKind struct {
	count int
	size  string
	by    string // the function that allocated
	text  string // the report on the first object
}

// summarize returns a report of kmemleak's with a line for each way in which
// memory is leaked on top, and one object of each way below.
func summarize(report string) string {
	if report == "" {
		return ""
	}
	var b strings.Builder
	more := ""
	if cut := strings.LastIndex(report, "\n"+leaked); len(report) >= longestLeaks && cut > 0 {
		more, report = " or more", report[:cut+1] // the last one is not whole
	}
	kinds := leakKinds(report)
	if len(kinds) == 0 {
		return report
	}
	for _, k := range kinds {
		fmt.Fprintf(&b, "leaked: %d%s of %s bytes by %s\n", k.count, more, k.size, k.by)
	}
	for _, k := range kinds {
		b.WriteString("\n" + k.text)
	}
	return b.String()
}

func leakKinds(report string) (kinds []*leakKind) {
	known := map[string]*leakKind{}
	for _, object := range strings.Split("\n"+report, "\n"+leaked)[1:] {
		text := leaked + strings.TrimSuffix(object, "\n") + "\n"
		key, by := backtrace(text)
		if k := known[key]; k != nil {
			k.count++
			continue
		}
		size := "?"
		head, _, _ := strings.Cut(text, "\n")
		if m := reSize.FindStringSubmatch(head); m != nil {
			size = m[1]
		}
		known[key] = &leakKind{count: 1, size: size, by: by, text: text}
		kinds = append(kinds, known[key])
	}
	return kinds
}

// backtrace returns the functions of an object's backtrace as one text, and
// the first of them that is no allocator.
func backtrace(object string) (key, by string) {
	var frames []string
	for line := range strings.Lines(object) {
		m := reFrame.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		frames = append(frames, m[1])
		if by == "" && !reAllocator.MatchString(m[1]) {
			by = m[1]
		}
	}
	if by == "" {
		by = "a function that is not known"
	}
	return strings.Join(frames, " "), by
}
