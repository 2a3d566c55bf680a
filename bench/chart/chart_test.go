package chart

import (
	"encoding/xml"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// elements counts those of an SVG image by name and class, and lists its texts.
func elements(t *testing.T, svg string) (counts map[string]int, texts []string) {
	t.Helper()
	counts = map[string]int{}
	for dec := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := dec.Token()
		if err == io.EOF {
			return counts, texts
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			for _, a := range e.Attr {
				if a.Name.Local == "class" {
					name += "." + strings.ReplaceAll(a.Value, " ", ".")
				}
			}
			counts[name]++
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" {
				texts = append(texts, text)
			}
		}
	}
}

func TestAnAxisPlacesValues(t *testing.T) {
	for _, tc := range []struct {
		axis Axis
		v    float64
		want px
	}{
		{Axis{Max: 10}, 5, 150}, {Axis{Max: 10}, -5, 100}, {Axis{Max: 10}, 50, 200},
		{Axis{Min: 0.25, Max: 4, Log: true}, 1, 150}, {Axis{Min: 0.25, Max: 4, Log: true}, 0.5, 125},
		{Axis{}, 0, 100}, // without a length
	} {
		if got := tc.axis.place(tc.v, 100, 200); math.Abs(float64(got-tc.want)) > 1e-9 {
			t.Errorf("%v on %v is at %v, want %v", tc.v, tc.axis, got, tc.want)
		}
	}
}

func TestTicksDoNotTouch(t *testing.T) {
	all := Ratios([]float64{0.2, 5})
	for _, room := range []px{40, 120, 600} {
		kept := all.thin(0, room, width)
		if len(kept) == 0 || kept[0].Text != "1" {
			t.Errorf("%v: 1 is not among %v", room, kept)
		}
		for i, a := range kept {
			for _, b := range kept[:i] {
				apart := px(math.Abs(float64(all.place(a.At, 0, room) - all.place(b.At, 0, room))))
				if apart < (width(a.Text)+width(b.Text))/2 {
					t.Errorf("%v: %s and %s are %v apart", room, a.Text, b.Text, apart)
				}
			}
		}
	}
	if few, many := len(all.thin(0, 40, width)), len(all.thin(0, 600, width)); few >= many {
		t.Errorf("%d ticks have room where %d have", many, few)
	}
}

func TestDotsHaveIntervalsBandsAndALegend(t *testing.T) {
	dots := Dots{X: Ratios([]float64{0.8, 1.2}), Ref: 1, Legend: []string{"a<b", "c"}, Groups: []Group{
		{Name: "one", Band: [2]float64{0.9, 1.1}, Dots: []Dot{{At: 0.9, Lo: 0.8, Hi: 1}, {At: 1.1, Hollow: true}}},
		{Name: "two", Dots: []Dot{{At: math.NaN()}, {At: 1}}},
	}}
	counts, texts := elements(t, string(Inline(dots, 358, "id", "title & more", "about")))
	for name, want := range map[string]int{"rect.band": 1, "path.dot.s0": 1, "path.dot.s1.hollow": 1, "path.dot.s1": 1, "line.range.s0": 1, "line.ref": 1, "script": 0} {
		if counts[name] != want {
			t.Errorf("%d of %s, want %d", counts[name], name, want)
		}
	}
	for _, want := range []string{"title & more", "about", "● a<b", "■ c", "one", "two", "1"} {
		if !slices.Contains(texts, want) {
			t.Errorf("no %q among %q", want, texts)
		}
	}
}

func TestLinesGoThroughTheirPoints(t *testing.T) {
	lines := Lines{X: Axis{Max: 1, Ticks: []Tick{{0, "none"}, {1, "all"}}}, Y: Shares(), Series: []Series{
		{"first", []Point{{X: 0, Y: 0.5, Lo: 0.4, Hi: 0.6}, {X: 1, Y: 1}}}, {"second", []Point{{X: 0, Y: 0}}},
	}}
	counts, texts := elements(t, File(lines, 600, `"><script>`, "where", "note", "system"))
	for name, want := range map[string]int{"path.curve.s0": 1, "path.curve.s1": 1, "path.dot.s0": 2, "path.dot.s1": 1, "line.range.s0": 1, "rect.paper": 1, "svg": 1, "script": 0} {
		if counts[name] != want {
			t.Errorf("%d of %s, want %d", counts[name], name, want)
		}
	}
	for _, want := range []string{`"><script>`, "where", "note", "system", "none", "all", "50%", "● first", "■ second"} {
		if !slices.Contains(texts, want) {
			t.Errorf("no %q among %q", want, texts)
		}
	}
}

// Entries without room in a line of the legend go to the next.
func TestALongLegendHasSeveralLines(t *testing.T) {
	var c canvas
	one := c.legend(20, 358, []string{"a"})
	long := c.legend(20, 358, []string{strings.Repeat("w", 30), strings.Repeat("w", 30), "a"})
	if one != 20 || long <= one {
		t.Errorf("heights %v and %v", one, long)
	}
}
