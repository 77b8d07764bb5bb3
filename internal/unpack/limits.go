package unpack

// limits bounds what an archive may hold. Linux 6.1 has 1.3 GB in 84,000
// entries, its largest file is 21 MB.
type limits struct {
	total     int64 // bytes, unpacked
	file      int64 // bytes of one file
	entries   int
	name      int   // bytes of a path or a link's target
	component int   // bytes of one element of a path
	names     int64 // bytes of all paths and targets: they are kept in memory
	reserve   int64 // bytes that stay free on the disk
}

func defaultLimits() limits {
	return limits{
		total:     8 << 30,
		file:      512 << 20,
		entries:   500_000,
		name:      1024,
		component: 255,
		names:     64 << 20,
		reserve:   256 << 20,
	}
}
