//go:build amd64

package watch

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

func TestWhatCannotBeWatchedIsSaidWithARemedy(t *testing.T) {
	const none, integrity = "", "none [integrity] confidentiality\n"
	for _, c := range []struct {
		release  string
		root     bool
		lockdown string
		types    bool
		want     string
	}{
		{"6.1.0-56-cloud-amd64", true, integrity, true, ""},
		{"10.0.0", true, none, true, ""},
		{"5.15.0-91-generic", true, none, true, "needs Linux 6.1 or later"},
		{"6.0.19", true, none, true, "needs Linux 6.1 or later"},
		{"6.18.1", false, none, true, "run it with sudo"},
		{"6.18.1", true, "none integrity [confidentiality]\n", true, "boot without lockdown=confidentiality"},
		{"6.18.1", true, none, false, "CONFIG_DEBUG_INFO_BTF"},
	} {
		err := unable(c.release, c.root, c.lockdown, c.types)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for err, want := range map[error]string{
		unix.EPERM:               "outside of containers",
		btf.ErrNotFound:          "use Linux 6.1 to 7.3",
		&ebpf.VerifierError{}:    "use Linux 6.1 to 7.3",
		errors.New("some other"): "some other",
	} {
		if got := explain(err); !strings.Contains(got.Error(), want) || !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}
