package unpack

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what stands under a name.
type kind int

const (
	absent kind = iota
	folder
	file
	link
)

// names is every name of the tree so far. It is asked before anything is
// written, so that no archive can make two things of one name, or write
// through a link that it made before.
type names struct {
	lim     limits
	kinds   map[string]kind
	targets map[string]string // of links
	bytes   int64
}

func newNames(l limits) *names {
	return &names{lim: l, kinds: map[string]kind{"": folder}, targets: map[string]string{}}
}

// checkText refuses names that no kernel has and that would be harmful in
// lists, logs and terminals.
func (n *names) checkText(what, s string) error {
	if s == "" {
		return bad("%s is empty", what)
	}
	if len(s) > n.lim.name {
		return bad("%s %.60q... has %d bytes, more than %d", what, s, len(s), n.lim.name)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return bad("%s %q has characters that do not belong in a name", what, s)
	}
	return nil
}

// clean checks a name as it stands in an archive and returns it without a
// leading "./" and a trailing slash. The archive's top is "".
func (n *names) clean(name string) (string, error) {
	if err := n.checkText("the name", name); err != nil {
		return "", err
	}
	if path.IsAbs(name) {
		return "", bad("the name %q is absolute", name)
	}
	short := strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
	if short == "" || short == "." {
		return "", nil
	}
	for part := range strings.SplitSeq(short, "/") {
		if part == ".." || part == "." || part == "" {
			return "", bad("the name %q has the element %q", name, part)
		}
		if len(part) > n.lim.component {
			return "", bad("the name %.60q... has an element of %d bytes", name, len(part))
		}
	}
	return short, nil
}

// add enters a name, and returns the folders above it that are new, topmost
// first. A folder may come again, nothing else may.
func (n *names) add(name string, k kind) (folders []string, err error) {
	for i, c := range name {
		if c != '/' {
			continue
		}
		switch above := name[:i]; n.kinds[above] {
		case absent:
			folders = append(folders, above)
		case file:
			return nil, bad("%q lies below the file %q", name, above)
		case link:
			return nil, bad("%q goes through the link %q", name, above)
		}
	}
	switch old := n.kinds[name]; {
	case old == absent && k == folder:
		folders = append(folders, name)
	case old == absent:
		n.kinds[name] = k
		n.bytes += int64(len(name))
	case old != folder || k != folder:
		return nil, bad("%q comes twice", name)
	}
	for _, f := range folders {
		n.kinds[f] = folder
		n.bytes += int64(len(f))
	}
	if len(n.kinds) > n.lim.entries {
		return nil, bad("it has more than %d entries", n.lim.entries)
	}
	if n.bytes > n.lim.names {
		return nil, bad("its names have more than %d bytes", n.lim.names)
	}
	return folders, nil
}

// addLink enters a symbolic link whose target stays in the tree.
func (n *names) addLink(name, target string) (folders []string, err error) {
	if err := n.checkText("the target of the link "+name, target); err != nil {
		return nil, err
	}
	if path.IsAbs(target) {
		return nil, bad("the link %q leaves the tree: its target is %q", name, target)
	}
	if _, err := n.follow(name, target, false); err != nil {
		return nil, err
	}
	n.targets[name] = target
	n.bytes += int64(len(target))
	return n.add(name, link)
}

// follow returns the name a link's target stands for. With whole set, all
// names are known and a target that goes through a link is refused: what it
// stands for would not be what its text says.
func (n *names) follow(name, target string, whole bool) (string, error) {
	at := path.Dir(name)
	if at == "." {
		at = ""
	}
	for part := range strings.SplitSeq(target, "/") {
		if whole && n.kinds[at] == link {
			return "", bad("the link %q goes through the link %q", name, at)
		}
		switch part {
		case "", ".":
		case "..":
			if at == "" {
				return "", bad("the link %q leaves the tree: its target is %q", name, target)
			}
			at = strings.TrimSuffix(path.Dir(at), ".")
		default:
			at = path.Join(at, part)
		}
	}
	return at, nil
}

// checkLinks looks at all links once more, now that all names are known.
func (n *names) checkLinks() error {
	for name, target := range n.targets {
		if _, err := n.follow(name, target, true); err != nil {
			return err
		}
	}
	return nil
}
