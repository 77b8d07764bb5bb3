package settings

import (
	"bzmage/internal/ccache"
	"bzmage/internal/farm"
	"bzmage/internal/fault"
)

// Sharing is what saves a compiler its work: what was compiled before, and
// other machines.
type Sharing struct {
	CCache CCache
	Remote ccache.Remote
	Farm   farm.Farm
}

// CCache says whether ccache is used.
type CCache int

// The values of CCACHE.
const (
	CCacheAuto CCache = iota // where it is installed
	CCacheOn                 // it must be there
	CCacheOff
)

func readSharing(getenv func(string) string) (Sharing, error) {
	var s Sharing
	switch value := getenv("CCACHE"); value {
	case "", "auto":
	case "on", "1":
		s.CCache = CCacheOn
	case "off", "0":
		s.CCache = CCacheOff
	default:
		return s, unknown("CCACHE", value, []string{"on", "off", "auto"})
	}
	var err error
	// The value may hold a password, and stands in no message.
	if s.Remote, err = ccache.ParseRemote(getenv("CCACHE_REMOTE")); err != nil {
		return s, fault.New(fault.Usage, "CCACHE_REMOTE=redis://cache.example:6379", "CCACHE_REMOTE: %w; it is %s", err, ccache.RemoteValues)
	}
	if s.Remote.Set() && s.CCache == CCacheOff {
		return s, fault.New(fault.Usage, "unset CCACHE_REMOTE, or CCACHE", "CCACHE_REMOTE=%s is for ccache, and CCACHE=off", s.Remote)
	}
	if s.Farm, err = farm.Parse(getenv("FARM")); err != nil {
		return s, fault.New(fault.Usage, "FARM=distcc:node1.example,node2.example:3632", "FARM=%s: %w; it is %s", getenv("FARM"), err, farm.Values)
	}
	return s, nil
}
