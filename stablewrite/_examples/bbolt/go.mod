module example/bbolt

go 1.26.0

require (
	go.etcd.io/bbolt v1.5.0
	stablepages v0.0.0
)

require (
	github.com/klauspost/crc32 v1.3.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace stablepages => ../../..
