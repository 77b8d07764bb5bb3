package dist

import "strings"

// The scripts do without /dev/null: a root that is being made may lack it.

// hooks runs what others put into /etc/kernel/<name>.d, such as the makers of
// initramfs and boot menu: with the release and the image, as Debian's kernels
// and the kernel's own packages do (scripts/package/builddeb).
const hooks = `if [ -d /etc/kernel/@NAME@.d ] && [ -n "$(command -v run-parts)" ]; then
	run-parts --arg='@UNAME@' --arg='/boot/vmlinuz-@UNAME@' /etc/kernel/@NAME@.d
fi
`

// depmod makes the index of the modules, which is not packed: it hangs on the
// depmod of the machine.
const depmod = `PATH="$PATH:/sbin:/usr/sbin"
if [ -n "$(command -v depmod)" ]; then
	depmod -F '/boot/System.map-@UNAME@' '@UNAME@'
fi
`

// forget takes that index away (depmod(8)), and the folder if it is empty.
const forget = `for f in alias alias.bin builtin.alias.bin builtin.bin dep dep.bin devname softdep symbols symbols.bin weakdep; do
	rm -f "/lib/modules/@UNAME@/modules.$f"
done
if [ -d '/lib/modules/@UNAME@' ]; then
	rmdir --ignore-fail-on-non-empty '/lib/modules/@UNAME@'
fi
`

// debScript returns a maintainer script (Debian Policy, chapter 6).
func (k pack) debScript(name string) string {
	s := "#!/bin/sh\nset -e\nexport DEB_MAINT_PARAMS=\"$*\" INITRD=Yes\n"
	switch {
	case name == "postinst" && k.modular():
		s += depmod
	case name == "postrm" && k.modular():
		s += "if [ \"$1\" = remove ] || [ \"$1\" = purge ]; then\n" + forget + "fi\n"
	}
	return k.script(s+hooks+"exit 0\n", name)
}

// rpmScripts returns what rpm runs after installing and after removing: $1 is
// how many are left of the package.
func (k pack) rpmScripts() (after, removed string) {
	export := "export INITRD=Yes\n"
	after, removed = export, "if [ \"$1\" = 0 ]; then\n"+export
	if k.modular() {
		after, removed = after+depmod, removed+forget
	}
	return k.script(after+hooks+"exit 0\n", "postinst"), k.script(removed+hooks+"fi\nexit 0\n", "postrm")
}

func (k pack) script(text, name string) string {
	return strings.NewReplacer("@NAME@", name, "@UNAME@", k.Build.Release).Replace(text)
}

// modular says whether the package has modules.
func (k pack) modular() bool {
	for _, e := range k.content {
		if strings.HasPrefix(e.name, "lib/modules/") {
			return true
		}
	}
	return false
}
