package stablewrite

// bounce submits a private copy, whose sum is taken while it is made. It is the
// whole of Bounce and, on a descriptor without O_DIRECT, of Buffered.
type bounce struct{}

func (bounce) begin(fl *flight)  { fl.bounce() }
func (bounce) landed(fl *flight) { fl.settle() }
