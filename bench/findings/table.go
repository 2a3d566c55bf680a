package findings

// Table is a table as a value. Cells hold texts, because the number of digits is a
// finding too.
type Table struct {
	Title string
	Head  []string // of the columns; the first stands over the names of rows. nil: no head
	Rows  []Row
}

// Row is a line of a Table.
type Row struct {
	Name, About string
	Group       bool // heads the rows below it; it may have no Cells
	Cells       []Cell
}

// Cell is a text, and what it means for promises.
type Cell struct {
	Text string
	Mark Mark
}

// Mark says what a Cell means for promises.
type Mark string

const (
	Plain  Mark = ""
	Kept   Mark = "kept"   // nothing torn, as promised
	Hole   Mark = "hole"   // torn, and no promise covers it
	Broken Mark = "broken" // torn in spite of a promise
	Open   Mark = "open"   // not shown
)

// mostColumns is far more than a run has writers, or a proof kernels. It bounds the
// size of tables of Records from others.
const mostColumns = 100

// Texts are cells without marks.
func Texts(texts ...string) []Cell {
	return each(texts, func(text string) Cell { return Cell{Text: text} })
}

// add adds a row of texts without marks.
func (t *Table) add(name string, texts ...string) { t.put(name, Texts(texts...)) }

func (t *Table) put(name string, row []Cell) { t.Rows = append(t.Rows, Row{Name: name, Cells: row}) }

// some are the tables with rows.
func some(all ...Table) []Table { return which(all, func(t Table) bool { return len(t.Rows) > 0 }) }

// Columns are the heads over the cells of rows.
func (t Table) Columns() []string { return t.Head[min(1, len(t.Head)):] }
