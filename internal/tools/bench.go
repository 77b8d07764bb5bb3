package tools

// ForBench returns what `mage bench` compares with, beside what a build needs.
func ForBench() []Tool {
	const why = "mage bench"
	return []Tool{
		{Name: "quilt", For: why, Use: Wanted, Packages: same("quilt")},
		{Name: "curl", For: why, Use: Wanted, Packages: same("curl")},
		{Name: "tar", For: why, Use: Wanted, Packages: same("tar")},
	}
}
