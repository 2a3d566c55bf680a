// Package evaluate is the whole evaluation: does the fix hold, where does it
// not, and what does it cost.
package evaluate
