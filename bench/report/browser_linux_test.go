package report

import (
	"context"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// frame shows a page of a width, with everything that is folded opened and every wide
// table scrolled to its end, and says by how much it is too wide, which texts of figures
// or over tables are cut off, which rows have lost sight of their names, which cells with
// a mark have a second line, which texts are too small to be read, and whether the paper
// is dark, and its ink light.
const frame = `<!DOCTYPE html><iframe width=%d height=800 style="border:0" srcdoc="%s"></iframe><script>
onload = () => {
	const frame = document.querySelector("iframe"), page = frame.contentDocument, root = page.documentElement;
	page.querySelectorAll("details").forEach(d => d.open = true);
	page.querySelectorAll(".scroll").forEach(e => e.scrollLeft = e.scrollWidth);
	const named = (selector, so) => [...page.querySelectorAll(selector)].filter(so).map(e => e.textContent).join("|");
	const box = e => e.getBoundingClientRect(), style = e => frame.contentWindow.getComputedStyle(e);
	const outside = (e, around) => box(e).left < box(around).left - 1 || box(e).right > box(around).right + 1;
	const pixels = e => parseFloat(style(e).fontSize) * (e.ownerSVGElement ? e.getScreenCTM().a : 1);
	const light = color => color.match(/\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) > 3 * 127;
	document.title = page.querySelectorAll("h2").length + " sections, " + (root.scrollWidth - root.clientWidth) + " too wide" +
		", cut: " + named("svg text", e => outside(e, e.ownerSVGElement)) + named(".caption, h2", e => outside(e, page.body)) +
		", out of sight: " + named(".scroll tbody th", e => outside(e, e.closest(".scroll"))) +
		", in two lines: " + named(".standings td[class]", e => style(e).display == "grid" && box(e).height > 2.5 * pixels(e)) +
		", no size to read: " + named("p, li, th, td, caption, figcaption, summary, svg text", e => e.textContent && !(pixels(e) >= 10 && pixels(e) <= 24)) +
		", " + (light(style(page.body).color) ? "light" : "dark") + " on " + (light(style(page.body).backgroundColor) ? "light" : "dark") + ".";
};
</script>`

func TestThePageFitsAPhoneAndADesk(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		testenv.Missing(t, "the command chromium")
	}
	for name, f := range samples(t) {
		text := page(t, f)
		for _, tc := range []struct {
			wide         int
			scheme, said string
		}{{390, "1", "dark on light"}, {1280, "0", "light on dark"}} {
			want := fmt.Sprintf("%d sections, 0 too wide, cut: , out of sight: , in two lines: , no size to read: , %s.", strings.Count(text, "<h2>"), tc.said)
			if said := inBrowser(t, text, tc.wide, tc.scheme); said != want {
				t.Errorf("%s, %d px wide: %q, want %q", name, tc.wide, said, want)
			}
		}
	}
}

// inBrowser returns the result of frame in page. Scheme is Chromium's
// PreferredColorScheme: 0 is dark, 1 is light.
func inBrowser(t *testing.T, page string, wide int, scheme string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "frame.html")
	if err := os.WriteFile(file, fmt.Appendf(nil, frame, wide, html.EscapeString(page)), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	// The sandbox does not start as root, and the page is our own.
	cmd := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--window-size=1400,900", "--blink-settings=preferredColorScheme="+scheme, "--user-data-dir="+filepath.Join(dir, "profile"),
		"--virtual-time-budget=5000", "--dump-dom", "file://"+file)
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	_, said, _ := strings.Cut(string(dom), "<title>")
	said, _, _ = strings.Cut(said, "</title>")
	return said
}
