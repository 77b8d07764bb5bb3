// Guestsh is the shell of the guest: POSIX shell language by mvdan.cc/sh, which
// is the same on every arch and needs nothing of a distribution, and the few
// commands an initramfs without any would lack. In goes what is typed on the
// console; it ends with exit, Ctrl-D, or the machine.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func main() {
	// Ctrl-C is for the command that runs, which gets it as well: a handler is
	// not inherited, and a signal that is handled ends nothing here.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGQUIT)
	if err := shell(context.Background(), os.Stdin, os.Stdout, os.Environ()); err != nil {
		fmt.Fprintln(os.Stderr, "guestsh:", err)
		os.Exit(1)
	}
}

// shell reads commands from in and runs them until exit or the end of in.
func shell(ctx context.Context, in io.Reader, out io.Writer, env []string) error {
	r, err := interp.New(interp.StdIO(asFile(in), out, out), interp.Env(expand.ListEnviron(env...)), interp.ExecHandlers(builtins))
	if err != nil {
		return err
	}
	r.Reset()
	fmt.Fprintln(out, "\nbzmage: a shell in the guest; its own commands: ls, cat, ps, dmesg, help. exit or Ctrl-A x ends it.")
	for {
		err := commands(ctx, r, in, out)
		if err == nil || syntax.IsIncomplete(err) {
			return nil // exit, or the end of in
		}
		fmt.Fprintln(out, err) // a slip of the hand ends nothing
	}
}

// commands reads and runs commands until exit, the end of in, or a line that
// is none.
func commands(ctx context.Context, r *interp.Runner, in io.Reader, out io.Writer) error {
	prompt := func() { fmt.Fprintf(out, "%s # ", r.Dir) }
	prompt()
	p := syntax.NewParser()
	for stmts, err := range p.InteractiveSeq(in) {
		if err != nil {
			return err
		}
		if p.Incomplete() {
			fmt.Fprint(out, "> ")
			continue
		}
		for _, s := range stmts {
			if err := r.Run(ctx, s); err != nil {
				if _, ok := interp.IsExitStatus(err); !ok {
					fmt.Fprintln(out, err)
				}
			}
			if r.Exited() {
				return nil
			}
		}
		prompt()
	}
	return nil
}

// asFile returns in as the standard input of the commands, if it can be one.
func asFile(in io.Reader) io.Reader {
	if f, ok := in.(*os.File); ok {
		return f
	}
	return nil
}

// builtins runs the commands of the shell's own, and leaves the others to next.
func builtins(next interp.ExecHandlerFunc) interp.ExecHandlerFunc {
	return func(ctx context.Context, args []string) error {
		hc := interp.HandlerCtx(ctx)
		run, ok := map[string]func(w io.Writer, in io.Reader, args []string) error{
			"ls": ls, "cat": cat, "ps": ps, "dmesg": dmesg, "help": help,
		}[args[0]]
		if !ok {
			return next(ctx, args)
		}
		files := make([]string, 0, len(args))
		for _, a := range args[1:] {
			if !filepath.IsAbs(a) {
				a = filepath.Join(hc.Dir, a)
			}
			files = append(files, a)
		}
		if len(files) == 0 && args[0] == "ls" {
			files = []string{hc.Dir}
		}
		if err := run(hc.Stdout, hc.Stdin, files); err != nil {
			fmt.Fprintf(hc.Stderr, "%s: %v\n", args[0], err)
			return interp.NewExitStatus(1)
		}
		return nil
	}
}
