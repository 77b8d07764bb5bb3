package tools

// CCache is the compiler cache.
func CCache() Tool {
	return Tool{Name: "ccache", For: "not to compile the same twice", Use: Wanted, Packages: same("ccache")}
}

// RemoteCCache is the compiler cache where it is to use a remote one: before
// 4.7 it calls that otherwise.
func RemoteCCache() Tool {
	t := CCache()
	t.Use, t.Min = ForBuild, "4.7"
	return t
}

// FarmClient is the program that sends jobs to a farm: distcc or icecc.
func FarmClient(name string) Tool {
	t := Tool{Name: name, For: "FARM", Packages: same(name)}
	if name == "icecc" {
		t.Packages = map[string]string{APT: "icecc", DNF: "icecream", Pacman: "icecream", Zypper: "icecream"}
	}
	return t
}

// PackageTests are the programs that look at packages and install them, and
// those that verify signatures. A laptop does without those of another
// distribution.
func PackageTests() []Tool {
	test := func(name, deb, rpm string, version ...string) Tool {
		return Tool{Name: name, For: "mage test", Use: Wanted, Version: version, Packages: map[string]string{APT: deb, DNF: rpm, Pacman: rpm, Zypper: rpm}}
	}
	return []Tool{
		test("dpkg", "dpkg", "dpkg"), test("rpm", "rpm", "rpm"), test("zstd", "zstd", "zstd"),
		test("gpgv", "gpgv", "gnupg2"), test("minisign", "minisign", "minisign", "-v"),
		test("ssh", "openssh-client", "openssh", "-V"), // ssh-keygen, which has no version to print
	}
}

// SharingTests are the programs that the tests of ccache and of farms run. A
// laptop does without, as their packages start services on some machines.
func SharingTests() []Tool {
	test := func(name, apt, other string, version ...string) Tool {
		return Tool{Name: name, For: "mage test", Use: Wanted, Version: version,
			Packages: map[string]string{APT: apt, DNF: other, Pacman: other, Zypper: other}}
	}
	return []Tool{
		CCache(),
		test("distcc", "distcc", "distcc"),
		test("distccd", "distcc", "distcc"),
		test("icecc", "icecc", "icecream"), // the package has its scheduler and its daemon, too
		test("redis-server", "redis-server", "redis"),
	}
}
