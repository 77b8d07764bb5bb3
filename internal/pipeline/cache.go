package pipeline

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/fetch/disk"
	"bzmage/internal/plain"
)

// CacheList prints what the cache holds, and what a prune would remove.
func (p Project) CacheList(_ context.Context, out io.Writer) error {
	items, err := fetch.Inventory(p.Settings.Cache, p.File)
	if err != nil {
		return cacheError(p, err)
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "NAME\tSIZE\tSHA256\tPROOFS\tORIGIN\tLAST USED\tKEPT FOR")
	var total, free int64
	for _, i := range items {
		sum, keep := i.SHA256, i.Keep
		if len(sum) > 16 {
			sum = sum[:16]
		}
		if total += i.Size; keep == "" {
			keep = "nothing: a prune removes it"
			free += i.Size
		}
		row(tw, i.Name, disk.Size(i.Size), dash(sum), dash(strings.Join(i.Proofs, ", ")), i.Origin, i.Used.Format("2006-01-02 15:04"), keep)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d files, %s in %s; a prune frees %s\n", len(items), disk.Size(total), p.Settings.Cache, disk.Size(free))
	return err
}

// row prints one line of a table; nothing in it can break the table.
func row(out io.Writer, cells ...string) {
	for i, c := range cells {
		cells[i] = strings.Join(strings.Fields(plain.Text(c)), " ")
	}
	fmt.Fprintln(out, strings.Join(cells, "\t"))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// CacheVerify hashes all of the cache and sets aside what is damaged, which is
// an error.
func (p Project) CacheVerify(ctx context.Context, out io.Writer) error {
	good, aside, err := fetch.Check(ctx, p.Settings.Cache, p.progress("cache", "hashed"))
	p.UI.Progress("cache", "")
	for _, path := range aside {
		fmt.Fprintf(out, "damaged, and set aside: %s\n", plain.Text(path))
	}
	if err != nil {
		return cacheError(p, err)
	}
	fmt.Fprintf(out, "%d files are what their sha256 says, %d are not\n", good, len(aside))
	if len(aside) > 0 {
		return fault.New(fault.Source, "go tool mage fetch gets them anew; cache:prune removes the damaged ones; if it comes again, check the disk",
			"%d files of the cache were damaged", len(aside))
	}
	return nil
}

// CachePrune removes what no line of kernels.toml can use, and unfinished
// downloads older than a day.
func (p Project) CachePrune(_ context.Context, out io.Writer) error {
	removed, err := fetch.Prune(p.Settings.Cache, p.File)
	var free int64
	for _, i := range removed {
		free += i.Size
		fmt.Fprintf(out, "removed %s, %s, last used %s\n", plain.Text(i.Name), disk.Size(i.Size), i.Used.Format(time.DateOnly))
	}
	if err != nil {
		return cacheError(p, err)
	}
	_, err = fmt.Fprintf(out, "freed %s\n", disk.Size(free))
	return err
}

func cacheError(p Project, err error) error {
	if fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.New(fault.Machine, "make "+p.Settings.Cache+" yours", "the cache: %w", err)
}
