package kernel

import "encoding/json"

// The guest finds its port by this name, and is told that it is one by this
// variable, which its kernel hands from the command line to init.
const (
	portName = "stablewrite"
	guestEnv = "STABLEWRITE_GUEST"
)

// message is a line that the guest says.
type message struct {
	Up     bool            `json:"up,omitempty"`     // it is up
	Say    json.RawMessage `json:"say,omitempty"`    // the job's own
	Failed string          `json:"failed,omitempty"` // the job failed
	Cut    bool            `json:"cut,omitempty"`    // the job asks for a power cut
	Done   bool            `json:"done,omitempty"`   // the job is done
}
