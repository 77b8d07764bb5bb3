package unpack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"bzmage/internal/fault"
	"bzmage/internal/fetch"
	"bzmage/internal/fetch/disk"
	"bzmage/internal/keyring"
)

// input is the archive file: it counts and hashes what is read of it.
type input struct {
	ctx         context.Context
	file        *os.File
	format      fetch.Format
	hash        hash.Hash
	done, total int64
	progress    func(done, total int64)
}

func (u *unpacker) open(ctx context.Context) (*input, error) {
	file, err := os.Open(u.Archive.Path)
	if err != nil {
		return nil, err
	}
	in := &input{ctx: ctx, file: file, hash: sha256.New(), progress: u.Progress}
	info, err := file.Stat()
	if err == nil {
		in.total = info.Size()
		if in.format, err = fetch.Sniff(file); err != nil {
			err = bad("%w", err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return in, nil
}

func (i *input) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	n, err := i.file.Read(p)
	i.hash.Write(p[:n])
	i.done += int64(n)
	i.progress(i.done, i.total)
	return n, err
}

// proof is a signature over the tar; nil is none.
type proof struct{ *keyring.Reader }

// stream calls use with the tar stream of the archive. What use reads also
// goes through the signature's hash, so that the archive is decompressed once.
func (u *unpacker) stream(ctx context.Context, in *input, p *proof, use func(io.Reader) error) error {
	if u.Archive.Signature == "" {
		return decompress(ctx, in, in.format, u.Jobs, u.threads(), use)
	}
	sig, err := u.signature()
	if err != nil {
		return u.unsigned(err)
	}
	return decompress(ctx, in, in.format, u.Jobs, u.threads(), func(r io.Reader) error {
		if p.Reader, err = sig.Reader(r); err != nil {
			return u.unsigned(err)
		}
		return ahead(p, use)
	})
}

// conclude judges an archive that was read: its own sha256 first.
func (u *unpacker) conclude(in *input, p proof) error {
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	if got := hex.EncodeToString(in.hash.Sum(nil)); got != u.Archive.SHA256 {
		return bad("its sha256 is %s, and it was fetched as %s", got, u.Archive.SHA256)
	}
	if p.Reader == nil {
		return nil
	}
	signer, err := p.Signer()
	if err != nil {
		return u.unsigned(err)
	}
	u.signedBy(signer)
	return nil
}

// signature reads the archive's detached signature.
func (u *unpacker) signature() (keyring.Signature, error) {
	file, err := os.Open(u.Archive.Signature)
	if err != nil {
		return keyring.Signature{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, keyring.SignatureMax+1))
	if err != nil {
		return keyring.Signature{}, err
	}
	return u.Keys.Signature(text)
}

// unsigned is the error of an archive whose signature is not good.
func (u *unpacker) unsigned(err error) error {
	a := u.Archive
	return fault.New(fault.Source, "rm "+a.Signature+" "+a.Path+", so that both are fetched anew; if that does not help, do not trust "+a.Origin,
		"the tar of %s is not what the signature %s says: %w", a.Path, a.Signature, err)
}

// signedBy enters the proof that a developer's key signed the tar.
func (u *unpacker) signedBy(fingerprint string) {
	u.Archive.Proofs = append(append([]string{}, u.Archive.Proofs...), fetch.TarSigned)
	u.Archive.SignedBy = fingerprint
}

// checkSignature decompresses the archive of a tree that stands there, only
// to check a signature that was not there when it was unpacked.
func (u *unpacker) checkSignature(ctx context.Context) error {
	in, err := u.open(ctx)
	if err != nil {
		return err
	}
	defer in.file.Close()
	u.Log.Infof("checking the signature of %s", u.Archive.Path)
	var proof proof
	err = u.stream(ctx, in, &proof, func(r io.Reader) error {
		n, err := io.Copy(io.Discard, io.LimitReader(r, u.lim.total+1))
		if n > u.lim.total {
			return bad("it unpacks to more than %s", disk.Size(u.lim.total))
		}
		return tarError(ctx, err)
	})
	if err != nil {
		return err
	}
	return u.conclude(in, proof)
}

// CheckSignature returns the archive with the proof [fetch.TarSigned], after
// reading all of it and writing nothing.
func CheckSignature(ctx context.Context, p Params) (fetch.Archive, error) {
	u := newUnpacker(p)
	if u.Archive.Signature == "" {
		return u.Archive, errors.New("there is no signature to check")
	}
	err := u.checkSignature(ctx)
	if err != nil && ctx.Err() != nil {
		return fetch.Archive{}, fmt.Errorf("check %s: %w", p.Archive.Path, context.Cause(ctx))
	}
	if err != nil {
		return fetch.Archive{}, u.blame(err)
	}
	return u.Archive, nil
}

// Read ahead of who unpacks, in blocks of a few times the pipe's reads.
const (
	aheadBlocks = 8
	aheadSize   = 512 << 10
)

// chunk is a block that was read, and how reading ended.
type chunk struct {
	b   []byte
	err error
}

// ahead calls use with what comes from r, which is read, and hashed, by a
// goroutine of its own a few blocks ahead.
func ahead(r io.Reader, use func(io.Reader) error) error {
	q := &queued{full: make(chan chunk, aheadBlocks), free: make(chan []byte, aheadBlocks)}
	for range aheadBlocks {
		q.free <- make([]byte, aheadSize)
	}
	go func() {
		defer close(q.full)
		for b := range q.free {
			n, err := io.ReadFull(r, b)
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF
			}
			q.full <- chunk{b[:n], err}
			if err != nil {
				return
			}
		}
	}()
	err := use(q)
	close(q.free)
	for range q.full { // until r is no longer read
	}
	return err
}

// queued reads what another goroutine has read.
type queued struct {
	full chan chunk
	free chan []byte
	now  chunk
	left []byte
}

func (q *queued) Read(p []byte) (int, error) {
	for len(q.left) == 0 {
		if q.now.err != nil {
			return 0, q.now.err
		}
		if q.now.b != nil {
			q.free <- q.now.b[:cap(q.now.b)]
		}
		q.now = <-q.full
		q.left = q.now.b
	}
	n := copy(p, q.left)
	q.left = q.left[n:]
	return n, nil
}
