package report

import _ "embed"

// SchemaName is the file beside verdict.json that describes it.
const SchemaName = "verdict.schema.json"

// Version is the version of verdict.json. It goes up when a field is taken
// away or means something else; a new one does not change it.
const Version = 1

// Schema describes verdict.json (JSON Schema, 2020-12).
//
//go:embed verdict.schema.json
var Schema []byte
