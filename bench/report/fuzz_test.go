package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stablepages/bench/findings"
	"stablepages/bench/record"
)

// FuzzRead reads any bytes as a results file, and writes the findings in every
// format. No output has NaN or Inf, and the only error is that there is nothing
// to draw.
func FuzzRead(f *testing.F) {
	for _, name := range []string{filepath.Join(committed, "results.jsonl"), proved} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:4000])
	}
	seen := map[string]bool{}
	for _, rec := range small() {
		var b bytes.Buffer
		if err := record.Write(&b, rec); err != nil {
			f.Fatal(err)
		}
		if kind := fmt.Sprintf("%T", rec); !seen[kind] {
			seen[kind] = true
			f.Add(b.Bytes())
		}
	}
	f.Add([]byte(`{"kind":"repro","strategy":"bounce","mutator":"storm","gate":true,"detect":"digest","size":4096,"writes":9,"overlapped":9,"torn":0,"read_errors":0,"write_errors":0,"refused":0,"version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var res record.Results
		if _, err := res.Read("f", bytes.NewReader(b)); err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("an error that does not say where: %v", err)
		}
		found := findings.Of(res)
		given := strings.ToLower(string(b))
		for _, format := range Formats() {
			var out strings.Builder
			if err := format.Write(&out, found); err != nil && len(res.Costs) > 0 && !errors.Is(err, errNothingToDraw) {
				t.Errorf("%s: %v", format.Name, err)
			}
			for _, none := range []string{"NaN", "Inf"} {
				if strings.Contains(out.String(), none) && !strings.Contains(given, strings.ToLower(none)) && !strings.Contains(given, `\`) {
					t.Errorf("%s shows %s", format.Name, none)
				}
			}
		}
	})
}
