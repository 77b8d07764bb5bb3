package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"

	"bzmage/internal/fault"
	"bzmage/internal/keyring"
)

// Missing returns those of the line's demanded proofs that an archive lacks.
// An archive of the distribution or of KERNEL_SOURCE has proofs of its own
// kind and lacks none.
func (p Params) Missing(a Archive) []string {
	var lacks []string
	for _, proof := range p.Line.Demand {
		if !a.Has(proof) && !a.Has(AptSigned) && a.Source != OverrideName {
			lacks = append(lacks, proof)
		}
	}
	return lacks
}

func (f *fetcher) demands(proof string) bool { return slices.Contains(f.Line.Demand, proof) }

// prove adds to an archive what kernel.org says about it, and refuses it if a
// demanded proof cannot be made. Fresh says that its servers were just reached.
//
// Without a demand a signature is not asked for where no server answers.
func (f *fetcher) prove(ctx context.Context, a Archive, fresh bool) (Archive, error) {
	errs := map[string]error{}
	a.Signature, errs[TarSigned] = f.signature(ctx, a.SHA256)
	errs[SumsSigned] = f.listed(ctx, a, fresh)
	if errs[SumsSigned] == nil {
		a.Proofs = append(a.Proofs, SumsSigned)
	}
	if ctx.Err() != nil {
		return Archive{}, context.Cause(ctx)
	}
	var wrong *wrongSum
	if errors.As(errs[SumsSigned], &wrong) {
		return Archive{}, fault.New(fault.Source, "compare the sha256 of line "+f.Line.Name+" in kernels.toml with kernel.org's", "%w", wrong)
	}
	for _, proof := range []string{TarSigned, SumsSigned} {
		err := errs[proof]
		if err == nil {
			continue
		}
		if f.demands(proof) || len(f.Line.Demand) == 0 && errors.Is(err, errNoSignature) {
			return Archive{}, fault.New(fault.Source, f.otherPolicy(), "linux %s cannot be proved to be %s: %w", f.Line.Release, proof, err)
		}
		f.Log.Logf(level(err), "linux %s is not proved to be %s: %s", f.Line.Release, proof, brief(err))
	}
	if f.demands(Pinned) && !a.Has(Pinned) {
		return Archive{}, fault.New(fault.Source, f.otherPolicy(), "%s is not the file that line %s pins", a.Origin, f.Line.Name)
	}
	return a, nil
}

// level says how loud it is told that a proof was not made: people hear of
// servers that did not do what they did before.
func level(err error) logrus.Level {
	if answered(err) || allUnreachable(err) && !errors.Is(err, errAbsent) {
		return logrus.WarnLevel
	}
	return logrus.DebugLevel
}

// answered says that a server was reached and has no such file, or a wrong one.
func answered(err error) bool {
	var status *statusError
	var bad *badAnswer
	return errors.As(err, &status) && status.code < 500 || errors.As(err, &bad)
}

// badAnswer is an answer that is not the file that was asked for.
type badAnswer struct{ err error }

func (e *badAnswer) Error() string { return e.err.Error() }
func (e *badAnswer) Unwrap() error { return e.err }

// otherPolicy is the line of kernels.toml that demands less.
func (f *fetcher) otherPolicy() string {
	demand := `demand = ["pinned"]`
	if f.demands(SumsSigned) && !f.demands(TarSigned) || !f.demands(Pinned) && len(f.Line.Demand) > 0 {
		demand = "another demand"
	}
	return fmt.Sprintf("to do without it, put %s into [[line]] %s of configs/kernels.toml", demand, f.Line.Name)
}

// errNoSignature says that servers were reached and none has a signature.
var errNoSignature = errors.New("no mirror has a signature")

// signature returns the file with the signature over the tar of the archive
// with that sha256: kept beside it, or from the mirrors of the line.
func (f *fetcher) signature(ctx context.Context, sum string) (string, error) {
	ring := f.Keys.Ring(keyring.Developers)
	if !ring.Usable() {
		return "", f.Keys.Missing(keyring.Developers)
	}
	check := func(b []byte) error { _, err := ring.Signature(b); return err }
	path := f.store.evidence(sum, signatureName)
	if f.store.readEvidence(path, keyring.SignatureMax, check) == nil {
		return path, nil
	}
	b, err := f.small(ctx, f.beside(func(u string) string {
		base, ok := cutTar(u)
		if !ok {
			return ""
		}
		return base + ".tar.sign"
	}), keyring.SignatureMax, check)
	if err != nil {
		if answered(err) {
			err = fmt.Errorf("%w: %w", errNoSignature, err)
		}
		return "", err
	}
	return path, f.store.keepEvidence(path, b)
}

// cutTar takes the ending of a compressed tar off an address.
func cutTar(u string) (string, bool) {
	for _, end := range []string{".tar.xz", ".tar.gz", ".tar.bz2", ".tar.zst", ".tar"} {
		if base, ok := strings.CutSuffix(u, end); ok {
			return base, true
		}
	}
	return "", false
}
