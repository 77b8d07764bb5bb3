package pipeline

import (
	"context"
	"errors"

	"bzmage/internal/fault"
	"bzmage/internal/trace"
)

// traced notes who runs when, in one line of a function that is a whole run:
//
//	defer p.traced(&ctx)(&err)
//
// It is written when the run ends, however that is: build/reports/trace.json
// is of the last run.
func (p Project) traced(ctx *context.Context) (end func(err *error)) {
	t := trace.New(p.Settings.Jobs)
	*ctx = t.Into(*ctx)
	return func(err *error) {
		if writeErr := t.Write(p.build("reports", "trace.json")); writeErr != nil {
			*err = errors.Join(*err, fault.New(fault.Machine, "free some disk space", "%w", writeErr))
		}
	}
}
