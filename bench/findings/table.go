package findings

// Table is a table as a value. What is in a Cell is a text: how many digits a number
// has is a finding, too.
type Table struct {
	Title string
	Head  []string // of the columns; the first, over the names of rows, may be "". nil: none
	Rows  []Row
}

// Row is a line of a Table.
type Row struct {
	Name, About string
	Group       bool // heads those that follow; it may have no Cells
	Cells       []Cell
}

// Cell is one of a Table.
type Cell struct {
	Text string
	Mark Mark
}

// Mark says what a Cell means for promises.
type Mark string

const (
	Plain  Mark = ""
	Kept   Mark = "kept"   // nothing torn, which was promised
	Hole   Mark = "hole"   // torn, which no promise covers
	Broken Mark = "broken" // torn against a promise
	Open   Mark = "open"   // not shown
)

// mostColumns are many times as many as a run has writers, or a proof kernels.
const mostColumns = 100

// Texts are cells without marks.
func Texts(texts ...string) (all []Cell) {
	for _, text := range texts {
		all = append(all, Cell{Text: text})
	}
	return all
}

// add adds a row of texts without marks.
func (t *Table) add(name string, texts ...string) { t.put(name, Texts(texts...)) }

func (t *Table) put(name string, row []Cell) { t.Rows = append(t.Rows, Row{Name: name, Cells: row}) }

// some are those of all that have rows.
func some(all ...Table) (kept []Table) {
	for _, t := range all {
		if len(t.Rows) > 0 {
			kept = append(kept, t)
		}
	}
	return kept
}

// Columns are the heads over the cells of rows.
func (t Table) Columns() []string {
	if len(t.Head) == 0 {
		return nil
	}
	return t.Head[1:]
}
