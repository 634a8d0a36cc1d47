#!/bin/bash

# The source code is already here, so that nothing is fetched: see rootfs/go.

# Grab Go package name
pkgName=github.com/$REPONAME

# Grab just first path listed in GOPATH, which the golang image sets to /go
goPath="${GOPATH:-/go}"
goPath="${goPath%%:*}"

# Construct Go package path
pkgPath="$goPath/src/$pkgName"

# get the number of packages in the repo: as `go list` has it, a package is a directory
# that holds .go files, be they only tests
deps=`find $pkgPath -name '*.go' -printf '%h\n' | sort -u | wc -l`

# get number of lines of go code
golines=`( find $pkgPath -name '*.go' -print0 | xargs -0 cat ) | wc -l`

# output the stats
echo $REPONAME, $deps, $golines
