// Package testschema holds a verdict.json against its schema, for the tests of
// all that write one. In goes a file; out comes nothing, or what is wrong.
package testschema

import (
	"bytes"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"bzmage/internal/report"
)

// File checks a verdict.json.
func File(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return Text(text)
}

// Text checks the text of a verdict.json.
func Text(text []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(report.Schema))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(report.SchemaName, doc); err != nil {
		return err
	}
	s, err := c.Compile(report.SchemaName)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}
