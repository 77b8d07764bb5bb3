package pipeline

import (
	"context"
	"io"
	"strings"

	"bzmage/internal/fetch"
	"bzmage/internal/kernels"
	"bzmage/internal/update"
)

// UpdateCheck asks upstream about the line KERNEL, or all, and writes what is
// new as a table or as JSON. Its error is of kind Outdated if there is
// something to do, and Source if that cannot be known.
func (p Project) UpdateCheck(ctx context.Context, out io.Writer, asJSON bool) error {
	var all []update.News
	for _, l := range p.watched() {
		n, err := p.news(ctx, l)
		if err != nil {
			return err
		}
		all = append(all, n)
	}
	write := update.Table
	if asJSON {
		write = update.JSON
	}
	if err := write(out, all); err != nil {
		return err
	}
	return update.Err(all)
}

// watched are the lines that upstream is asked about.
func (p Project) watched() []kernels.Line {
	if l, ok := p.File.Line(p.Settings.Kernel); ok {
		return []kernels.Line{l}
	}
	return p.File.Lines
}

// news asks all there is to ask about a line. A server that was out of reach
// a while ago is asked again.
func (p Project) news(ctx context.Context, l kernels.Line) (update.News, error) {
	params := p.fetchParams(l)
	params.Fresh = true
	f := update.Facts{Line: l}
	f.Known, f.KnownErr = fetch.Releases(ctx, params)
	f.Listed, f.ListedErr = fetch.Sums(ctx, params)
	var err error
	if f.Package, err = fetch.Packaged(ctx, params); err != nil {
		p.UI.Log.Infof("line %s: the distribution's package is not known: %s", l.Name, strings.Join(strings.Fields(err.Error()), " "))
	}
	if ctx.Err() != nil {
		return update.News{}, context.Cause(ctx)
	}
	return update.Find(f), nil
}
