package tools

// ForPipeline returns what `mage testPipeline` takes. Debian 12's own Node.js
// is older, so that setup does not install it.
func ForPipeline() []Tool {
	return []Tool{
		{Name: "node", For: "mage testPipeline", Min: "20.19"},
		{Name: "npm", For: "mage testPipeline", Packages: same("npm")},
		{Name: "rsync", For: "mage testPipeline", Packages: same("rsync")},
	}
}
