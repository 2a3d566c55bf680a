package kernel

import (
	"fmt"
	"regexp"
	"strings"
)

// Series is a line of Debian's kernels, of which there is always a newest one.
type Series struct {
	Name  string
	Suite string // of Debian's archive, which has the newest one

	archive string // that has the suite: the last element of its address
	release string // begins every version; "" for any version that the suite has
}

// AllSeries lists every Series, the oldest first. Suites for security updates have every
// later kernel, too; their lists of packages are a twentieth as long.
func AllSeries() []Series {
	return []Series{
		{Name: "6.1", Suite: "bookworm-security", archive: "debian-security", release: "6.1."},
		{Name: "6.12", Suite: "trixie-security", archive: "debian-security", release: "6.12."},
		newestSeries,
	}
}

var newestSeries = Series{Name: "newest", Suite: "trixie-backports", archive: "debian"}

// SeriesNamed returns the Series of a name. The first two numbers of a later
// version, as in "7.3", name the newest one as long as it has that version.
func SeriesNamed(name string) (Series, error) {
	var names []string
	for _, s := range AllSeries() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	// The last but one is the last that is named by its version.
	if last := names[len(names)-2]; isRelease(name) && Ordinal(name) > Ordinal(last) {
		s := newestSeries
		s.release = name + "."
		return s, nil
	}
	return Series{}, fmt.Errorf("unknown kernel series %q: there are %s", name, strings.Join(names, ", "))
}

func (s Series) String() string {
	if s.release == "" {
		return "newest Linux"
	}
	return "Linux " + strings.TrimSuffix(s.release, ".")
}

var isRelease = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}$`).MatchString

// Ordinal orders versions by their first two numbers: "6.1" before "6.12", which is before
// "7.0". It is 0 without a number at the begin.
func Ordinal(version string) int {
	var major, minor int
	fmt.Sscanf(version, "%d.%d", &major, &minor)
	return 1000*major + minor
}
