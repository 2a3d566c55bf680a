package kernel

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// apt is an apt-get with a directory of its own for all that it reads and writes:
// sources, configuration, lists, packages. What this machine has of these is
// neither read nor changed, and needs no privileges.
type apt struct {
	dir    string
	config string
}

// keyring has the keys that Debian's archive is signed with. The file belongs to
// the package keyringPackage.
const (
	keyring        = "/usr/share/keyrings/debian-archive-keyring.gpg"
	keyringPackage = "debian-archive-keyring"
)

// checkApt reports whether this machine has what an apt is made of.
func checkApt() error {
	for _, command := range []string{"apt-get", "apt-cache", "apt-config", "dpkg-deb"} {
		if _, err := exec.LookPath(command); err != nil {
			return fmt.Errorf("%w: %s is not there: unpack a kernel yourself and name its directory", ErrNoPackage, command)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return fmt.Errorf("%w: %w: apt-get install %s", ErrNoPackage, err, keyringPackage)
	}
	return nil
}

// newApt makes in dir an apt-get that knows one suite.
func newApt(ctx context.Context, dir string, s Series) (*apt, error) {
	a := &apt{dir: dir, config: filepath.Join(dir, "apt.conf")}
	for _, sub := range []string{"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			return nil, err
		}
	}
	address, err := addressOf(ctx, s.archive)
	if err != nil {
		return nil, err
	}
	source := fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: amd64\nSigned-By: %s\n", address, s.Suite, keyring)
	if err := os.WriteFile(filepath.Join(dir, "etc/apt/sources.list.d/kernel.sources"), []byte(source), 0o666); err != nil {
		return nil, err
	}
	// Of the configuration of this machine only how it reaches an archive: proxies.
	ask := exec.CommandContext(ctx, "apt-config", "dump", "Acquire::http", "Acquire::https")
	ask.WaitDelay = time.Second
	reach, err := ask.Output()
	if err != nil {
		return nil, fmt.Errorf("apt-config: %w", err)
	}
	config := fmt.Sprintf(aptConfig, dir) + string(reach)
	return a, os.WriteFile(a.config, []byte(config), 0o666)
}

// addressOf returns where this machine's apt finds an archive of Debian's, be it a
// mirror. Only addresses are asked for, which needs no privileges and runs no hooks.
func addressOf(ctx context.Context, archive string) (string, error) {
	ask := exec.CommandContext(ctx, "apt-get", "update", "--print-uris")
	ask.WaitDelay = time.Second
	out, err := ask.Output()
	if err != nil {
		return "", fmt.Errorf("apt-get update --print-uris: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		address, _, ok := strings.Cut(strings.TrimPrefix(line, "'"), "/dists/")
		if ok && path.Base(address) == archive {
			return address, nil
		}
	}
	return "", fmt.Errorf("%w: the sources of apt have no archive named %s, as in deb http://MIRROR/%s SUITE main: add one, or unpack a kernel yourself and name its directory",
		ErrNoPackage, archive, archive)
}

// aptConfig is read before any other configuration, and says that there is none:
// directories below Dir are where this machine's would be. As root apt-get would
// download as another user, who cannot write here.
const aptConfig = `Dir "%s";
Dir::State::status "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "1";
`

// command runs one of apt's in the directory.
func (a *apt) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "APT_CONFIG="+a.config, "LC_ALL=C")
	cmd.WaitDelay = time.Second
	return cmd
}

// update fetches the lists of the suite and checks their signature.
func (a *apt) update(ctx context.Context) error {
	return quietly(ctx, a.command(ctx, "apt-get", "update", "-q"))
}

// stanza is what a list says of a package.
type stanza map[string]string

func (a *apt) show(ctx context.Context, pkg string) (stanza, error) {
	out, err := a.command(ctx, "apt-cache", "show", "--no-all-versions", pkg).Output()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the suite has no package %s", ErrNoPackage, pkg)
	}
	s := stanza{}
	for line := range bytes.Lines(out) {
		if key, value, ok := strings.Cut(strings.TrimSpace(string(line)), ": "); ok && line[0] != ' ' {
			s[key] = value
		}
	}
	return s, nil
}

// metaPackage depends on the package of the newest kernel.
const metaPackage = "linux-image-cloud-amd64"

// debianVersion is what a version may consist of (deb-version(7)). It becomes the
// name of a directory.
var debianVersion = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~-]*$`)

// newest finds the newest kernel: the package of its image, and those of the same
// version that this one depends on. Until Linux 6.19 there are none: one package
// has image and modules.
func (a *apt) newest(ctx context.Context) (Package, error) {
	meta, err := a.show(ctx, metaPackage)
	if err != nil {
		return Package{}, err
	}
	p := Package{Version: meta["Version"]}
	if !debianVersion.MatchString(p.Version) {
		return Package{}, fmt.Errorf("%w: %s has the version %q", ErrNoPackage, metaPackage, p.Version)
	}
	same := regexp.MustCompile(`\b(linux-[^ ,|]+) \(= ` + regexp.QuoteMeta(p.Version) + `\)`)
	needs := func(s stanza) (names []string) {
		for _, found := range same.FindAllStringSubmatch(s["Depends"], -1) {
			names = append(names, found[1])
		}
		return names
	}
	var add func(name string) error
	seen := map[string]bool{}
	add = func(name string) error {
		if seen[name] {
			return nil
		}
		seen[name] = true
		s, err := a.show(ctx, name)
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(s["Size"], 10, 64)
		if err != nil {
			return fmt.Errorf("%w: the size of %s: %w", ErrNoPackage, name, err)
		}
		p.Parts, p.Bytes = append(p.Parts, name), p.Bytes+size
		for _, need := range needs(s) {
			if err := add(need); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range needs(meta) {
		if strings.HasPrefix(name, "linux-image-") {
			return p, add(name)
		}
	}
	return Package{}, fmt.Errorf("%w: %s %s depends on no image", ErrNoPackage, metaPackage, p.Version)
}

// unpack downloads p, checks it, and unpacks it into tree.
func (a *apt) unpack(ctx context.Context, p Package, tree string) error {
	args := []string{"download", "-q"}
	for _, part := range p.Parts {
		args = append(args, part+"="+p.Version)
	}
	if err := quietly(ctx, a.command(ctx, "apt-get", args...)); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(a.dir, "*.deb"))
	if err != nil || len(debs) != len(p.Parts) {
		return fmt.Errorf("apt-get left %d packages, not %d", len(debs), len(p.Parts))
	}
	for _, deb := range debs {
		if err := quietly(ctx, exec.CommandContext(ctx, "dpkg-deb", "-x", deb, tree)); err != nil {
			return err
		}
	}
	return nil
}
