package checkpatch

import (
	"maps"
	"net/url"
	"path"
	"slices"
)

// What of SARIF 2.1.0 (docs.oasis-open.org/sarif/sarif/v2.1.0) a result needs.
// The names are the standard's.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool           `json:"tool"`
		Bases   map[string]sarifURI `json:"originalUriBaseIds"`
		Results []sarifResult       `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string        `json:"id"`
		Short *sarifMessage `json:"shortDescription,omitempty"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifMessage       `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Related      []sarifLocation    `json:"relatedLocations,omitempty"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions"` // for each result, or for none
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifMessage `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifURI     `json:"artifactLocation"`
		Region   *sarifRegion `json:"region,omitempty"`
	}
	sarifURI struct {
		URI    string        `json:"uri,omitempty"`
		BaseID string        `json:"uriBaseId,omitempty"`
		Text   *sarifMessage `json:"description,omitempty"`
	}
	sarifRegion struct {
		StartLine int           `json:"startLine"`
		Snippet   *sarifMessage `json:"snippet,omitempty"`
	}
)

// kernelBase stands for the folder of the kernel tree, wherever that is.
const kernelBase = "KERNEL"

// sarif writes the findings as SARIF: the place is the line of the patch, the
// file of the tree a related one.
func sarif(r Result) ([]byte, error) {
	types := map[string]bool{}
	for _, f := range r.Findings {
		types[f.Type] = true
	}
	own := map[string]string{}
	for _, rule := range Rules() {
		own[rule.Type] = rule.Text
		types[rule.Type] = true
	}
	run := sarifRun{
		Tool:    sarifTool{sarifDriver{Name: "checkpatch", InformationURI: "https://docs.kernel.org/dev-tools/checkpatch.html"}},
		Bases:   map[string]sarifURI{kernelBase: {Text: &sarifMessage{"the top folder of the kernel tree with the series applied"}}},
		Results: []sarifResult{},
	}
	index := map[string]int{}
	for i, name := range slices.Sorted(maps.Keys(types)) {
		index[name] = i
		rule := sarifRule{ID: name}
		if text := own[name]; text != "" {
			rule.Short = &sarifMessage{text}
		}
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	for _, f := range r.Findings {
		res := f.sarif(r.Folder)
		res.RuleIndex = index[f.Type]
		run.Results = append(run.Results, res)
	}
	return indented(sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func (f Finding) sarif(folder string) sarifResult {
	levels := map[string]string{Error: "error", Warning: "warning", Check: "note"}
	region := &sarifRegion{StartLine: f.Line}
	if f.Text != "" {
		region.Snippet = &sarifMessage{f.Text}
	}
	res := sarifResult{
		RuleID: f.Type, Level: levels[f.Level], Message: sarifMessage{f.Message},
		Locations:    []sarifLocation{{Physical: sarifPhysical{sarifURI{URI: uri(path.Join(folder, f.Patch))}, region}}},
		Fingerprints: map[string]string{"bzmage/v1": f.Fingerprint},
		Suppressions: []sarifSuppression{},
	}
	if f.File != "" {
		at := sarifLocation{Physical: sarifPhysical{Artifact: sarifURI{URI: uri(f.File), BaseID: kernelBase}},
			Message: &sarifMessage{"the file of the tree"}}
		if f.FileLine > 0 {
			at.Physical.Region = &sarifRegion{StartLine: f.FileLine}
		}
		res.Related = []sarifLocation{at}
	}
	if f.Accepted != "" {
		res.Suppressions = []sarifSuppression{{"external", "accepted", f.Accepted}}
	}
	return res
}

// uri returns a path as a relative reference (RFC 3986).
func uri(name string) string { return (&url.URL{Path: name}).String() }
