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
	"slices"
	"strconv"
	"strings"
	"time"
)

// apt is an apt-get with a private directory for all that it reads and writes: sources,
// configuration, lists, packages. It needs no privileges, and neither reads nor changes
// the sources of this machine's apt.
type apt struct{ dir string }

// keyring has the keys that Debian's archive is signed with. The file belongs to
// the package keyringPackage.
const (
	keyring        = "/usr/share/keyrings/debian-archive-keyring.gpg"
	keyringPackage = "debian-archive-keyring"
)

// checkApt reports whether this machine has the commands and keys that an apt needs.
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
func newApt(ctx context.Context, dir string, s Series) (apt, error) {
	a := apt{dir}
	address, err := addressOf(ctx, s.archive)
	if err != nil {
		return a, err
	}
	// Of the configuration of this machine, it takes only proxies.
	proxies, err := output(ctx, exec.CommandContext(ctx, "apt-config", "dump", "Acquire::http", "Acquire::https"))
	if err != nil {
		return a, err
	}
	for _, sub := range []string{"etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			return a, err
		}
	}
	source := fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: amd64\nSigned-By: %s\n", address, s.Suite, keyring)
	if err := os.WriteFile(filepath.Join(dir, "etc/apt/sources.list.d/kernel.sources"), []byte(source), 0o666); err != nil {
		return a, err
	}
	return a, os.WriteFile(a.config(), append(fmt.Appendf(nil, aptConfig, dir), proxies...), 0o666)
}

// addressOf returns the address at which this machine's apt finds an archive of Debian,
// or a mirror of it. To print addresses, apt-get needs no privileges and runs no hooks.
func addressOf(ctx context.Context, archive string) (string, error) {
	out, err := output(ctx, exec.CommandContext(ctx, "apt-get", "update", "--print-uris"))
	if err != nil {
		return "", err
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

// aptConfig takes the place of this machine's configuration: Dir is the root of all
// directories. As root, apt-get would download as another user, who cannot write there.
const aptConfig = `Dir "%s";
Dir::State::status "/dev/null";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "1";
`

func (a apt) config() string { return filepath.Join(a.dir, "apt.conf") }

// run runs a command of apt in the directory and returns its output.
func (a apt) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "APT_CONFIG="+a.config(), "LC_ALL=C")
	return output(ctx, cmd)
}

// output runs a command of ctx and returns its output. The error has its complaints.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.WaitDelay = time.Second // for children that outlive it
	err := runMortal(cmd)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out.Bytes(), nil
}

// show returns the fields of a package, by name.
func (a apt) show(ctx context.Context, pkg string) (map[string]string, error) {
	out, err := a.run(ctx, "apt-cache", "show", "--no-all-versions", pkg)
	fields := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && line[0] != ' ' {
			fields[key] = value
		}
	}
	return fields, err
}

// metaPackage depends on the package of the newest kernel.
const metaPackage = "linux-image-cloud-amd64"

// debianVersion matches the versions of deb-version(7) that have no epoch. A version
// becomes the name of a directory.
var debianVersion = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~-]*$`)

// newest finds the newest kernel: the package of its image, and those of the same
// version that this one depends on. Until Linux 6.19 one package has image and modules.
func (a apt) newest(ctx context.Context) (p Package, err error) {
	meta, err := a.show(ctx, metaPackage)
	if err != nil {
		return p, err
	}
	p.Version = meta["Version"]
	if !debianVersion.MatchString(p.Version) {
		return p, fmt.Errorf("%s has the version %q", metaPackage, p.Version)
	}
	exactly := ` \(= ` + regexp.QuoteMeta(p.Version) + `\)`
	image := regexp.MustCompile(`\b(linux-image-[^ ,|]+)` + exactly).FindStringSubmatch(meta["Depends"])
	if image == nil {
		return p, fmt.Errorf("%s %s depends on no image", metaPackage, p.Version)
	}
	p.Parts = image[1:]
	same := regexp.MustCompile(`\b(linux-[^ ,|]+)` + exactly)
	for i := 0; i < len(p.Parts); i++ { // which grows
		fields, err := a.show(ctx, p.Parts[i])
		if err != nil {
			return p, err
		}
		size, err := strconv.ParseInt(fields["Size"], 10, 64)
		if err != nil {
			return p, fmt.Errorf("the size of %s: %w", p.Parts[i], err)
		}
		p.Bytes += size
		for _, need := range same.FindAllStringSubmatch(fields["Depends"], -1) {
			if !slices.Contains(p.Parts, need[1]) {
				p.Parts = append(p.Parts, need[1])
			}
		}
	}
	return p, nil
}

// unpack downloads p, checks it, and unpacks it into tree.
func (a apt) unpack(ctx context.Context, p Package, tree string) error {
	args := []string{"download", "-q"}
	for _, part := range p.Parts {
		args = append(args, part+"="+p.Version)
	}
	if _, err := a.run(ctx, "apt-get", args...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(a.dir, "*.deb"))
	if err != nil || len(debs) != len(p.Parts) {
		return fmt.Errorf("apt-get left %d packages, not %d", len(debs), len(p.Parts))
	}
	for _, deb := range debs {
		if _, err := output(ctx, exec.CommandContext(ctx, "dpkg-deb", "-x", deb, tree)); err != nil {
			return err
		}
	}
	return nil
}
