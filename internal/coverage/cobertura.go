package coverage

import (
	"encoding/xml"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// The elements of Cobertura's coverage-04.dtd that GitLab reads. A kernel has
// no packages and classes: a package is a folder, a class a file.
type xmlCoverage struct {
	XMLName         xml.Name     `xml:"coverage"`
	LineRate        string       `xml:"line-rate,attr"`
	BranchRate      string       `xml:"branch-rate,attr"`
	Covered         int          `xml:"lines-covered,attr"`
	Valid           int          `xml:"lines-valid,attr"`
	BranchesCovered int          `xml:"branches-covered,attr"`
	BranchesValid   int          `xml:"branches-valid,attr"`
	Complexity      string       `xml:"complexity,attr"`
	Version         string       `xml:"version,attr"`
	Timestamp       string       `xml:"timestamp,attr"`
	Sources         []string     `xml:"sources>source"`
	Packages        []xmlPackage `xml:"packages>package"`
}

type xmlPackage struct {
	Name       string     `xml:"name,attr"`
	LineRate   string     `xml:"line-rate,attr"`
	BranchRate string     `xml:"branch-rate,attr"`
	Complexity string     `xml:"complexity,attr"`
	Classes    []xmlClass `xml:"classes>class"`
}

type xmlClass struct {
	Name       string    `xml:"name,attr"`
	File       string    `xml:"filename,attr"`
	LineRate   string    `xml:"line-rate,attr"`
	BranchRate string    `xml:"branch-rate,attr"`
	Complexity string    `xml:"complexity,attr"`
	Methods    struct{}  `xml:"methods"`
	Lines      []xmlLine `xml:"lines>line"`
}

type xmlLine struct {
	Number int    `xml:"number,attr"`
	Hits   uint64 `xml:"hits,attr"`
	Branch string `xml:"branch,attr"`
}

// Cobertura returns the coverage of targets of one line as Cobertura's XML.
// The files are the patches, or those of the kernel's tree: what a merge
// request shows changes in, in a repository of patches or of a kernel. A line
// is run as often as in all targets together, and those that nobody has to run
// are left out. It holds no time, so that the same coverage gives the same
// bytes.
func Cobertura(targets []Target, ofPatches bool) ([]byte, error) {
	hits := map[string]map[int]uint64{}
	for _, t := range targets {
		for _, p := range t.Report.Patches {
			for _, l := range p.Lines {
				file, at := l.File, l.Line
				if ofPatches {
					file, at = p.Path, l.At
				}
				if l.Excuse != "" {
					continue
				}
				if hits[file] == nil {
					hits[file] = map[int]uint64{}
				}
				hits[file][at] += l.Runs + l.Boot
			}
		}
	}
	doc := xmlCoverage{BranchRate: "0", Complexity: "0", Version: "bzmage", Timestamp: "0", Sources: []string{"."}}
	folders := map[string][]xmlClass{}
	rates := map[string][2]int{}
	for _, file := range slices.Sorted(maps.Keys(hits)) {
		class := xmlClass{Name: strings.ReplaceAll(path.Base(file), ".", "_"), File: file, BranchRate: "0", Complexity: "0"}
		covered := 0
		for _, number := range slices.Sorted(maps.Keys(hits[file])) {
			n := hits[file][number]
			if n > 0 {
				covered++
			}
			class.Lines = append(class.Lines, xmlLine{number, n, "false"})
		}
		class.LineRate = rate(covered, len(class.Lines))
		dir := path.Dir(file)
		folders[dir] = append(folders[dir], class)
		rates[dir] = [2]int{rates[dir][0] + covered, rates[dir][1] + len(class.Lines)}
		doc.Covered, doc.Valid = doc.Covered+covered, doc.Valid+len(class.Lines)
	}
	doc.LineRate = rate(doc.Covered, doc.Valid)
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		doc.Packages = append(doc.Packages, xmlPackage{Name: dir, LineRate: rate(rates[dir][0], rates[dir][1]),
			BranchRate: "0", Complexity: "0", Classes: folders[dir]})
	}
	text, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write Cobertura: %w", err)
	}
	const head = xml.Header + `<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">` + "\n"
	return append([]byte(head), append(text, '\n')...), nil
}

func rate(covered, valid int) string {
	if valid == 0 {
		return "1"
	}
	return fmt.Sprintf("%.4f", float64(covered)/float64(valid))
}
