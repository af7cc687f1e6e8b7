// A module of its own: what reads pictures must not be linked into the program with the keys, nor
// choose the versions of its modules.
module pksa-qr

go 1.26.0

require github.com/makiuchi-d/gozxing v0.1.1

require (
	golang.org/x/text v0.41.0 // indirect
	golang.org/x/xerrors v0.0.0-20200804184101-5ec99f83aff1 // indirect
)
