package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"stablepages/bench/chart"
	"stablepages/bench/findings"
	"stablepages/bench/record"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// figureWidth is the width of a phone without its margins, in pixels.
const figureWidth = 358

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"draw": func(f findings.Figure, section, figure int) template.HTML {
		return chart.Inline(f.Chart, figureWidth, fmt.Sprintf("figure-%d-%d", section+1, figure+1), f.Title, f.Note)
	},
	"style":   func() template.CSS { return template.CSS(chart.Style + pageStyle) },
	"version": func() int { return record.Version },
}).Parse(pageText))

// HTML writes f as one page, without scripts, other files or network.
func HTML(out io.Writer, f findings.Findings) error { return pageTemplate.Execute(out, f) }
