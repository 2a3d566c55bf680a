package stablewrite

// Change is a write whose buffer was seen to change, or must have changed because the
// device refused it with EILSEQ. Extents belongs to the write; copy it to keep it.
type Change struct {
	Name    string // of the File
	Off     int64  // of the write, in the file
	Len     int
	Extents []Extent // of the buffer; none if the change was restored before it was looked for
	Receipt Receipt
	Err     error // of the write; nil if it was healed
}

// watch calls OnChanged if w changed.
func (f *File) watch(w *Write) {
	if f.opts.OnChanged != nil && (len(w.Changed) > 0 || w.Receipt.Refused > 0) {
		f.opts.OnChanged(Change{f.name, w.Off, w.state.n, w.Changed, w.Receipt, w.Err})
	}
}
