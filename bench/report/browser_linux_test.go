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

// frame shows a page of a width, with everything that is folded opened, and says by
// how much it is too wide, which texts of figures are cut off, which texts are too
// small to be read, and whether the paper is dark, and its ink light.
const frame = `<!DOCTYPE html><iframe width=%d height=800 style="border:0" srcdoc="%s"></iframe><script>
onload = () => {
	const frame = document.querySelector("iframe"), page = frame.contentDocument;
	page.querySelectorAll("details").forEach(d => d.open = true);
	const texts = [...page.querySelectorAll("svg text")].filter(t => {
		const text = t.getBoundingClientRect(), image = t.ownerSVGElement.getBoundingClientRect();
		return text.left < image.left - 1 || text.right > image.right + 1;
	}).map(t => t.textContent);
	const pixels = e => parseFloat(frame.contentWindow.getComputedStyle(e).fontSize) * (e.ownerSVGElement ? e.getScreenCTM().a : 1);
	const small = [...page.querySelectorAll("p, li, th, td, caption, figcaption, summary, svg text")].filter(e => e.textContent && !(pixels(e) >= 10 && pixels(e) <= 24));
	const light = color => color.match(/\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) > 3 * 127;
	const body = frame.contentWindow.getComputedStyle(page.body);
	document.title = page.querySelectorAll("h2").length + " sections, " + (page.documentElement.scrollWidth - page.documentElement.clientWidth) + " too wide, cut: " + texts.join("|") +
		", no size to read: " + small.map(e => e.textContent).join("|") + ", " + (light(body.color) ? "light" : "dark") + " on " + (light(body.backgroundColor) ? "light" : "dark") + ".";
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
			want := fmt.Sprintf("%d sections, 0 too wide, cut: , no size to read: , %s.", strings.Count(text, "<h2>"), tc.said)
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
