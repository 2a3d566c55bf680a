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

	"stablepages/stablewrite/testenv"
)

// frame shows a page as wide as a phone, with everything that is folded opened,
// and says by how much it is too wide, and which texts of figures are cut off.
const frame = `<!DOCTYPE html><iframe width=390 height=800 style="border:0" srcdoc="%s"></iframe><script>
onload = () => {
	const page = document.querySelector("iframe").contentDocument;
	page.querySelectorAll("details").forEach(d => d.open = true);
	const texts = [...page.querySelectorAll("svg text")].filter(t => {
		const text = t.getBoundingClientRect(), image = t.ownerSVGElement.getBoundingClientRect();
		return text.left < image.left - 1 || text.right > image.right + 1;
	}).map(t => t.textContent);
	document.title = page.querySelectorAll("h2").length + " sections, " + (page.documentElement.scrollWidth - page.documentElement.clientWidth) + " too wide, cut: " + texts.join("|") + ".";
};
</script>`

func TestThePageFitsAPhone(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		testenv.Missing(t, "the command chromium")
	}
	for name, res := range samples(t) {
		var page strings.Builder
		if err := HTML(&page, res); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "frame.html")
		if err := os.WriteFile(file, fmt.Appendf(nil, frame, html.EscapeString(page.String())), 0o666); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
		defer stop()
		// The sandbox does not start as root, and the page is our own.
		cmd := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir="+filepath.Join(dir, "profile"), "--virtual-time-budget=5000", "--dump-dom", "file://"+file)
		dom, err := cmd.Output()
		if err != nil {
			t.Fatalf("chromium: %v", err)
		}
		_, said, _ := strings.Cut(string(dom), "<title>")
		said, _, _ = strings.Cut(said, "</title>")
		if want := fmt.Sprintf("%d sections, 0 too wide, cut: .", strings.Count(page.String(), "<h2>")); said != want {
			t.Errorf("%s on a phone: %q, want %q", name, said, want)
		}
	}
}
