module bzmage

go 1.26.0

// The stages.
require (
	aead.dev/minisign v0.3.0 // signs releases as the program minisign does; links x/crypto only
	github.com/BurntSushi/toml v1.6.0 // kernels.toml: comments for people, and unknown keys are found; links nothing else
	github.com/CycloneDX/cyclonedx-go v0.12.0 // writes and reads the bill of materials; CycloneDX's own, and has the schemas beside it
	github.com/ProtonMail/go-crypto v1.5.2 // OpenPGP: who signed a release; the kept successor of x/crypto/openpgp
	github.com/agnivade/levenshtein v1.2.2 // names near to a config symbol nobody has; links nothing else
	github.com/aymanbagabas/go-udiff v0.4.1 // which lines differ, to follow an edit through a series; gopls' own, kept up; links nothing else
	github.com/bluekeyes/go-gitdiff v0.9.0 // reads all that git writes as a patch; links nothing else
	github.com/cavaliergopher/cpio v1.0.1 // the initramfs, which is a cpio archive of type newc; links nothing else
	github.com/gofrs/flock v0.13.1 // one run at a time in a checkout, one download of a file
	github.com/google/go-github/v58 v58.0.0 // given: the GitHub mirror as a source, and releases
	github.com/google/renameio/v2 v2.0.2 // files that are there whole or not at all; fsync and modes got right
	github.com/google/rpmpack v0.7.1 // writes rpm files, what nfpm used: nfpm itself links 200 packages for formats we have no use for; links cpio, zstd and xz, which are here, and pgzip
	github.com/hashicorp/go-version v1.9.0 // given: releases and constraints
	github.com/hiddeco/sshsig v0.2.0 // signatures of SSH keys, as ssh-keygen -Y has them; links x/crypto only
	github.com/jstemmer/go-junit-report/v2 v2.1.0 // JUnit's structures, as CI servers read them
	github.com/klauspost/compress v1.20.3 // zstd, which Go's own library does not have
	github.com/magefile/mage v1.17.2 // given: the targets
	github.com/secure-systems-lab/go-securesystemslib v0.11.1 // the envelope of the provenance (DSSE), by who specified it
	github.com/sirupsen/logrus v1.10.2 // given: all messages
	github.com/ulikunitz/xz v0.5.17 // xz, which every dpkg reads and Go's own library does not have; rpmpack brings it
	gitlab.com/gitlab-org/api/client-go v1.46.0 // GitLab's own client: packages, releases, merge requests
	go.yaml.in/yaml/v3 v3.0.5 // GitLab's pipelines; gopkg.in/yaml.v3 is not kept any more, this is YAML's own people's; links nothing else
	golang.org/x/crypto v0.58.0 // reads SSH keys; Go's own
	golang.org/x/perf v0.0.0-20260908200009-22c9c6c9d4da // benchfmt reads the result lines of benchmarks, hostile ones too; Go's own
	golang.org/x/sync v0.24.0 // errgroup
	golang.org/x/sys v0.49.0 // what package syscall lacks: renameat2, pidfd, statfs
	golang.org/x/term v0.47.0 // is it a terminal, and how wide; what is typed comes as it is typed
	mvdan.cc/sh/v3 v3.14.1 // the guest's shell: POSIX sh in Go, on every arch; links x/sys and x/term
)

// Only the tests.
require (
	github.com/creack/pty v1.1.24 // a terminal for the shell's tests; links nothing else
	github.com/google/go-cmp v0.7.0 // differences a person can read
	github.com/in-toto/attestation v1.2.0 // in-toto's own reader of statements and of SLSA's provenance, which holds ours against the specification
	github.com/owenrumney/go-sarif/v3 v3.3.1 // holds the schema of SARIF 2.1.0; we write SARIF with structs of our own, as its defaults are not valid
	github.com/rogpeppe/go-internal v1.16.0 // testscript: the command line as users see it
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // JSON Schema 2020-12, which verdict.json has; gojsonschema ends at draft 7
	github.com/xeipuuv/gojsonschema v1.2.0 // checks a document against that schema; go-sarif brings it
	google.golang.org/protobuf v1.36.12 // what the attestation's structures are read with
)

// What these need.
require (
	github.com/aclements/go-moremath v0.0.0-20210112150236-f10218a38794 // indirect
	github.com/cloudflare/circl v1.6.3 // indirect
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/hashicorp/go-retryablehttp v0.7.8 // indirect
	github.com/klauspost/pgzip v1.2.6 // indirect
	github.com/xeipuuv/gojsonpointer v0.0.0-20180127040702-4e3ac2762d5f // indirect
	github.com/xeipuuv/gojsonreference v0.0.0-20180127040603-bd5ef7bd5415 // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.14.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	honnef.co/go/tools v0.8.2 // indirect
)

// mage, so that `go tool mage` works where there is only Go; staticcheck for
// `mage lint`, pinned like everything else.
tool (
	github.com/magefile/mage
	honnef.co/go/tools/cmd/staticcheck
)
