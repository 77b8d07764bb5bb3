package tools

// ForReproduce returns what gives the second build of `mage reproduce` another
// clock.
func ForReproduce() []Tool {
	return []Tool{{Name: "faketime", For: "mage reproduce", Use: Wanted, Packages: map[string]string{APT: "faketime", DNF: "libfaketime", Pacman: "libfaketime", Zypper: "libfaketime"}}}
}
