package proof

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"bzmage/internal/release"
)

// The types of the provenance (in-toto.io/Statement/v1, slsa.dev/provenance/v1,
// DSSE v1). The build type is described in docs/trust.md.
const (
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://slsa.dev/provenance/v1"
	payloadType   = "application/vnd.in-toto+json"
	buildType     = "https://bzmage.example/release/v1"
	builderID     = "https://bzmage.example/builder/v1"
)

type statement struct {
	Type          string     `json:"_type"`
	Subject       []resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     predicate  `json:"predicate"`
}

// resource is a ResourceDescriptor of in-toto v1.
type resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

type predicate struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string            `json:"buildType"`
	ExternalParameters   map[string]string `json:"externalParameters"`
	InternalParameters   internals         `json:"internalParameters"`
	ResolvedDependencies []resource        `json:"resolvedDependencies"`
}

// internals are the verdicts: which image passed which checks.
type internals struct {
	Verdicts []release.Target `json:"verdicts"`
}

type runDetails struct {
	Builder    builder    `json:"builder"`
	Metadata   metadata   `json:"metadata"`
	Byproducts []resource `json:"byproducts,omitempty"`
}

type builder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version"`
}

type metadata struct {
	InvocationID string `json:"invocationId,omitempty"`
}

// provenance makes the statement and puts it into an envelope, signed where
// there is a key.
func provenance(dir string, rel release.Release, p Params) ([]byte, error) {
	subjects, byproducts, err := subjectsOf(dir, rel)
	if err != nil {
		return nil, err
	}
	params := maps.Clone(p.Parameters)
	if params == nil {
		params = map[string]string{}
	}
	params["tag"], params["line"] = rel.Tag, rel.Line
	s := statement{
		Type: statementType, Subject: subjects, PredicateType: predicateType,
		Predicate: predicate{
			BuildDefinition: buildDefinition{
				BuildType: buildType, ExternalParameters: params, InternalParameters: internals{rel.Targets}, ResolvedDependencies: inputsOf(rel, p),
			},
			RunDetails: runDetails{
				Builder:    builder{builderID, map[string]string{"bzmage": p.Builder, "go": runtime.Version()}},
				Metadata:   metadata{"urn:uuid:" + uuidOf(rel)},
				Byproducts: byproducts,
			},
		},
	}
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	e := dsse.Envelope{PayloadType: payloadType, Payload: base64.StdEncoding.EncodeToString(payload), Signatures: []dsse.Signature{}}
	if p.Key != nil {
		sig, err := p.Key.Sign(dsse.PAE(payloadType, payload))
		if err != nil {
			return nil, err
		}
		e.Signatures = append(e.Signatures, dsse.Signature{KeyID: p.Key.Kind + ":" + p.Key.ID, Sig: base64.StdEncoding.EncodeToString(sig)})
	}
	return marshal(e)
}

// subjectsOf are the files of the release and what says what it is; reports are
// byproducts.
func subjectsOf(dir string, rel release.Release) (subjects, byproducts []resource, err error) {
	for _, f := range rel.Files {
		r := resource{Name: f.Name, Digest: map[string]string{"sha256": f.SHA256}}
		if f.Kind == release.Report {
			byproducts = append(byproducts, r)
			continue
		}
		subjects = append(subjects, r)
	}
	for _, name := range []string{release.FileName, SBOM} {
		text, err := readText(dir, name)
		if err != nil {
			return nil, nil, err
		}
		sum := sha256.Sum256(text)
		subjects = append(subjects, resource{Name: name, Digest: map[string]string{"sha256": hex.EncodeToString(sum[:])}})
	}
	return subjects, byproducts, nil
}

// inputsOf are all that went in, by digest.
func inputsOf(rel release.Release, p Params) []resource {
	all := []resource{{Name: "linux-" + rel.Base, URI: purl(rel), Digest: map[string]string{"sha256": rel.Source.SHA256}}}
	if rel.Commit != "" {
		all = append(all, resource{Name: "checkout", URI: p.Repository, Digest: map[string]string{"gitCommit": rel.Commit}})
	}
	for _, patch := range rel.Patches {
		all = append(all, resource{Name: "patches/" + patch.Name, Digest: map[string]string{"sha256": patch.SHA256}})
	}
	for _, in := range p.Inputs {
		all = append(all, resource{Name: in.Name, Digest: map[string]string{"sha256": in.SHA256}})
	}
	for _, t := range rel.Targets {
		for _, pkg := range t.Packages {
			r := resource{Name: pkg.Name + " " + pkg.Version, URI: packageURL(pkg)}
			if !slices.ContainsFunc(all, func(o resource) bool { return o.URI == r.URI }) {
				all = append(all, r)
			}
		}
	}
	return all
}

// openEnvelope reads an envelope, and returns its statement, what was signed
// and the signatures over that.
func openEnvelope(text []byte) (s statement, signed []byte, sigs []dsse.Signature, err error) {
	var e dsse.Envelope
	if err := strictJSON(text, &e); err != nil {
		return s, nil, nil, fmt.Errorf("no envelope of DSSE: %w", err)
	}
	if e.PayloadType != payloadType {
		return s, nil, nil, fmt.Errorf("the payload is %q, not %s", e.PayloadType, payloadType)
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	if err != nil {
		return s, nil, nil, errors.New("the payload is not base64")
	}
	if err := strictJSON(payload, &s); err != nil {
		return s, nil, nil, fmt.Errorf("no statement of in-toto: %w", err)
	}
	if s.Type != statementType || s.PredicateType != predicateType || s.Predicate.BuildDefinition.BuildType != buildType {
		return s, nil, nil, fmt.Errorf("a statement of another type: %.100q, %.100q, %.100q", s.Type, s.PredicateType, s.Predicate.BuildDefinition.BuildType)
	}
	return s, dsse.PAE(payloadType, payload), e.Signatures, nil
}

// strictJSON reads one document and nothing behind it, all of whose fields are
// known: what one reader skips, another may believe.
func strictJSON(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one document")
	}
	return nil
}
