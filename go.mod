module stablepages

go 1.26.0

require (
	github.com/klauspost/crc32 v1.3.0
	golang.org/x/sys v0.49.0
)
